"""What is drawn equals torchvision's and timm's tables, and depends on seed, epoch and index."""

from collections import Counter
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from imnet_data.augment import (
    OPERATIONS,
    AutoAugment,
    OperationDraw,
    Policy,
    RandAugment,
    TimmRandAugment,
    TrivialAugmentWide,
    apply_operations,
    apply_policy,
    draw_policy,
)
from imnet_data.augment.policies import _IMAGENET_POLICY, _timm_magnitude

POLICIES: list[Policy] = [
    RandAugment(),
    AutoAugment(),
    TrivialAugmentWide(interpolation="bilinear"),
    TimmRandAugment(magnitude=6, magnitude_std=0.5),
]
SIZE = (224, 176)


def drawn(policy: Policy, indices: np.ndarray, *, seed: int = 0, epoch: int = 0) -> OperationDraw:
    return draw_policy(policy, indices, seed=seed, epoch=epoch, size=SIZE)


def pairs(draw: OperationDraw) -> list[tuple[str, float]]:
    return [step for image in range(len(draw.operations)) for step in draw.described(image)]


def allowed(space: dict[str, tuple[Tensor, bool]], bins: slice) -> dict[str, set[float]]:
    """Return the magnitudes of each of torchvision's operations, as the operations take them."""
    found = {}
    for name, (magnitudes, signed) in space.items():
        values = magnitudes[bins] if magnitudes.ndim else magnitudes.view(1)
        whole = name.startswith("Translate")
        numbers = [int(value) if whole else round(float(value), 4) for value in values]
        found[name] = {
            sign * number for number in numbers for sign in ((1, -1) if signed else (1,))
        }
    return found


def rounded(steps: list[tuple[str, float]]) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for name, magnitude in steps:
        found.setdefault(name, set()).add(round(magnitude, 4))
    return found


@pytest.mark.parametrize(("magnitude", "bins"), [(9, 31), (0, 2), (30, 31), (3, 7), (15, 31)])
def test_randaugment_draws_torchvisions_magnitudes(
    torchvision: ModuleType, magnitude: int, bins: int
) -> None:
    theirs = torchvision.transforms.RandAugment()._augmentation_space(bins, SIZE)
    policy = RandAugment(magnitude=magnitude, bins=bins)
    ours = rounded(pairs(drawn(policy, np.arange(400))))
    assert ours == allowed(theirs, slice(magnitude, magnitude + 1))


@pytest.mark.parametrize("bins", [31, 5])
def test_trivialaugment_draws_torchvisions_magnitudes(torchvision: ModuleType, bins: int) -> None:
    theirs = torchvision.transforms.TrivialAugmentWide()._augmentation_space(bins)
    ours = rounded(pairs(drawn(TrivialAugmentWide(bins=bins), np.arange(8000))))
    expected = allowed(theirs, slice(None))
    for name in ("TranslateX", "TranslateY"):  # 16 pixels, see the module
        assert {abs(pixels) for pixels in ours[name] ^ expected[name]} <= {15, 16}
        del ours[name], expected[name]
    assert ours == expected


def test_autoaugment_is_torchvisions_policy(torchvision: ModuleType) -> None:
    theirs = torchvision.transforms.AutoAugment()
    table = [tuple((n, p, b or 0) for n, p, b in pair) for pair in theirs.policies]
    assert table == list(_IMAGENET_POLICY)
    space = allowed(theirs._augmentation_space(10, SIZE), slice(None)) | {"Identity": {0}}
    ours = rounded(pairs(drawn(AutoAugment(), np.arange(2000))))
    assert all(magnitudes <= space[name] for name, magnitudes in ours.items())
    used = {name for pair in table for name, probability, _ in pair if probability}
    assert set(ours) == used | {"Identity"}


def test_autoaugment_draws_both_steps_of_one_pair() -> None:
    known = {
        (first if is_first else "Identity", second if is_second else "Identity")
        for (first, *_), (second, *_) in _IMAGENET_POLICY
        for is_first in (True, False)
        for is_second in (True, False)
    }
    draw = drawn(AutoAugment(), np.arange(1000))
    both = Counter(tuple(name for name, _ in draw.described(image)) for image in range(1000))
    assert set(both) <= known
    # sharpness 0.4, then invert 0.6: one in 25 pairs
    assert abs(both["Sharpness", "Invert"] / 1000 - 0.4 * 0.6 / 25) < 0.01


@pytest.mark.parametrize("level", [0.0, 3.0, 6.0, 6.3, 9.99, 10.0])
def test_timms_magnitudes(timm: ModuleType, level: float) -> None:
    from timm.data.auto_augment import _RAND_INCREASING_TRANSFORMS, LEVEL_TO_ARG

    for name in _RAND_INCREASING_TRANSFORMS:
        to_argument = LEVEL_TO_ARG[name]
        if to_argument is None:
            continue
        (theirs,) = to_argument(level, {})
        ours = name.removesuffix("Increasing").removesuffix("Rel")
        size = (1, 1)  # translations are shares of the side there
        both = {_timm_magnitude(ours, level, sign, size) for sign in (1, -1)}
        if ours in ("Color", "Contrast", "Brightness", "Sharpness"):
            both = {1 + magnitude for magnitude in both}
        assert min(abs(theirs - magnitude) for magnitude in both) < 1e-9, name


def test_timms_form_meets_its_probability_and_spread() -> None:
    draw = drawn(TimmRandAugment(magnitude=6, magnitude_std=0.5), np.arange(4000))
    assert abs((draw.operations == 0).mean() - 0.5) < 0.02
    degrees = [abs(m) for name, m in pairs(draw) if name == "Rotate"]
    assert abs(np.mean(degrees) - 18) < 0.3
    assert abs(np.std(degrees) - 1.5) < 0.2


@pytest.mark.parametrize("policy", [RandAugment(), TrivialAugmentWide()])
def test_operations_and_signs_are_drawn_evenly(policy: Policy) -> None:
    steps = pairs(drawn(policy, np.arange(6000)))
    counts = Counter(name for name, _ in steps)
    assert len(counts) == 14
    expected = len(steps) / 14
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 34.5  # p 0.001
    signs = [magnitude > 0 for name, magnitude in steps if name == "Rotate" and magnitude]
    assert abs(np.mean(signs) - 0.5) < 0.08


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_an_image_depends_on_its_index_alone(policy: Policy, images: Tensor) -> None:
    indices = np.array([40, 7, 1000, 3, 12, 5, 99])
    before = images.clone()
    whole = apply_policy(images, policy, seed=1, epoch=2, indices=indices)
    assert not torch.equal(whole, images)
    assert torch.equal(images, before)
    order = np.array([6, 2, 0])
    some = apply_policy(
        images[torch.from_numpy(order)], policy, seed=1, epoch=2, indices=indices[order]
    )
    assert torch.equal(some, whole[torch.from_numpy(order)])
    for row in range(7):
        one = slice(row, row + 1)
        alone = apply_policy(images[one], policy, seed=1, epoch=2, indices=indices[one])
        assert torch.equal(alone, whole[one])


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_seed_and_epoch_change_the_draw(policy: Policy) -> None:
    draws = {
        tuple(pairs(drawn(policy, np.arange(20), seed=seed, epoch=epoch)))
        for seed in range(2)
        for epoch in range(2)
    }
    assert len(draws) == 4


def test_a_draw_is_the_same_for_ever() -> None:
    draw = drawn(RandAugment(), np.arange(2))
    assert draw.described(0) == [("AutoContrast", 0.0), ("Identity", 0.0)]
    assert draw.described(1) == [("Solarize", 178.5), ("Sharpness", 0.9 * 9 / 30)]


def test_no_operation_changes_nothing(images: Tensor) -> None:
    indices = np.arange(7)
    policy = RandAugment(operation_count=0)
    assert torch.equal(apply_policy(images, policy, seed=0, epoch=0, indices=indices), images)
    identity = OperationDraw(np.zeros((7, 3), np.int64), np.zeros((7, 3)))
    assert torch.equal(apply_operations(images, identity), images)
    assert OPERATIONS[0] == "Identity"


def test_what_is_no_policy_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"images are torch\.float32.*expected uint8 \[n, 3"):
        apply_policy(images.float(), AutoAugment(), seed=0, epoch=0, indices=np.arange(7))
    with pytest.raises(ValueError, match="magnitude 31, bins 31; expected"):
        RandAugment(magnitude=31)
    with pytest.raises(ValueError, match="bins is 1; at least 2"):
        TrivialAugmentWide(bins=1)
    with pytest.raises(ValueError, match="magnitude is 11, magnitude_std 0"):
        TimmRandAugment(magnitude=11)
