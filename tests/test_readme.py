"""The lines that README puts into a trainer are run as they stand; only the path is another."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from imnet_data.conversion.convert import convert
from imnet_data.synth import synth

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More records than one batch of README, fewer than two."""
    root = tmp_path_factory.mktemp("readme")
    synth(
        root / "tarballs",
        class_count=4,
        images_per_class=70,
        val_per_class=1,
        test_count=1,
        mean_nbytes=1_500,
    )
    convert([root / "tarballs"], root / "imagenet", workers=1)
    return root / "imagenet"


def code_of(heading: str) -> list[str]:
    """Return the blocks of Python code below a heading."""
    section = README.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def names_after_running(block: int, dataset: Path) -> dict[str, Any]:
    """Run a block of the section, and return what its names stand for then."""
    code = code_of("In your trainer")[block]
    assert "/fast/imagenet" in code
    names: dict[str, Any] = {}
    exec(code.replace("/fast/imagenet", str(dataset)), names)
    return names


def test_the_quick_start_trains(dataset: Path, torchvision: ModuleType) -> None:
    """In a smaller size: of images, batches, the model and the run."""
    del torchvision
    (code,) = code_of("Quick start")
    assert len(code.splitlines()) < 20
    for as_it_is, smaller in {
        "/fast/imagenet": str(dataset),
        "TrainRecipe()": "TrainRecipe(size=32)",
        "batch_size=256": "batch_size=40",
        "resnet50": "resnet18",
        "range(90)": "range(2)",
    }.items():
        assert code.count(as_it_is) == 1
        code = code.replace(as_it_is, smaller)
    names: dict[str, Any] = {}
    exec(code, names)
    assert len(names["train"]) == 280 // 40
    assert names["loss"].isfinite()
    names["train"].close()


@pytest.fixture
def loader(dataset: Path) -> Iterator[Any]:
    """What the three lines give."""
    pytest.importorskip("torch", reason="the lines are for trainers of torch")
    with names_after_running(0, dataset)["loader"] as opened:
        yield opened


def test_the_three_lines_take_the_place_of_a_dataloader(loader: Any) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.AvgPool2d(56), torch.nn.Flatten(), torch.nn.Linear(48, len(loader.dataset.classes))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    for epoch in range(2):  # from here on, what a trainer has anyway
        loader.sampler.set_epoch(epoch)
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(labels)
    assert len(seen) == 2 * len(loader) == 2
    assert images.shape == (256, 3, 224, 224)
    assert images.dtype == torch.float32
    assert not torch.equal(seen[0], seen[1])
    assert torch.isfinite(loss)


def test_the_lines_without_torch_give_an_epoch_of_arrays(dataset: Path) -> None:
    names = names_after_running(1, dataset)
    assert names["images"].shape == (256, 224, 224, 3)
    assert names["images"].dtype == np.uint8
    labels = names["train"].dataset.labels
    assert np.array_equal(names["labels"], labels[names["indices"]])
    names["train"].close()
