"""Images of the augmentation tests, and torch on one thread."""

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="augmentation is done in torch")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def images():
    """Seven images, uint8[7, 3, 20, 33]: noise, grey noise, gradients, narrow ranges, flat ones."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (7, 3, 20, 33))
    pixels[1] = pixels[1, :1]
    pixels[2] = np.add.outer(np.arange(20) * 4, np.arange(33) * 5)
    pixels[3] = 90 + pixels[3] % 40
    pixels[4] = np.array([10, 200, 77])[:, None, None]
    pixels[5, 0], pixels[5, 1] = pixels[5, 0] % 2, 255
    pixels[6] = np.abs(pixels[6] - 128) // 3 + np.arange(33) * 4
    return torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))
