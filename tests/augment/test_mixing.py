"""Mixing equals numbers worked out by hand, timm's on the same draw, and torchvision's formula."""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from imnet_data.augment import Mix, MixDraw, apply_mix, draw_mix, mix, soft_targets
from imnet_data.augment.mixing import cutmix_boxes, neighbours

SIZE = (20, 33)
INDICES = np.array([40, 7, 1000, 3, 12, 5, 99])


def drawn(
    recipe: Mix, indices: np.ndarray = INDICES, *, seed: int = 0, size: tuple[int, int] = SIZE
) -> MixDraw:
    return draw_mix(recipe, indices, seed=seed, epoch=2, size=size)


def test_soft_targets_by_hand(timm: ModuleType) -> None:
    from timm.data.mixup import one_hot

    labels = torch.tensor([3, 0])
    hard = soft_targets(labels, 4)
    assert hard.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]
    soft = soft_targets(labels, 4, smoothing=0.2)
    assert soft.dtype == torch.float32
    torch.testing.assert_close(soft[0], torch.tensor([0.05, 0.05, 0.05, 0.85]))
    assert torch.equal(soft, one_hot(labels, 4, on_value=1 - 0.2 + 0.05, off_value=0.05))


def test_soft_targets_give_the_loss_that_label_smoothing_gives() -> None:
    logits = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    labels = torch.tensor([2, 0])
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(
        cross_entropy(logits, soft_targets(labels, 3, smoothing=0.1)),
        cross_entropy(logits, labels, label_smoothing=0.1),
    )


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_that_are_no_class_are_refused(label: int) -> None:
    with pytest.raises(ValueError, match=r"labels go from .* allowed are 0 to 3"):
        soft_targets(torch.tensor([label, 1]), 4)


def test_mixup_by_hand() -> None:
    images = torch.tensor([0.0, 8.0, 100.0]).view(3, 1, 1, 1).expand(3, 3, 1, 2)
    targets = torch.eye(3)
    draw = MixDraw(np.array([0.75, 0.75, 0.75]), np.zeros((3, 4), np.int64), neighbours(3))
    mixed, mixed_targets = apply_mix(images, targets, draw)
    assert mixed[:, 0, 0, 0].tolist() == [2, 6, 100]
    assert mixed_targets.tolist() == [[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0, 1]]


def test_partners_by_hand() -> None:
    assert neighbours(5).tolist() == [1, 0, 3, 2, 4]
    images = torch.tensor([0.0, 8.0, 100.0]).view(3, 1, 1, 1).expand(3, 3, 1, 2)
    draw = MixDraw(np.full(3, 0.75), np.zeros((3, 4), np.int64), np.array([2, 1, 0]))
    mixed, mixed_targets = apply_mix(images, torch.eye(3), draw)
    assert mixed[:, 0, 0, 0].tolist() == [25, 8, 75]
    assert mixed_targets.tolist() == [[0.75, 0, 0.25], [0, 1, 0], [0.25, 0, 0.75]]


def test_a_part_of_a_batch_is_mixed_as_in_the_whole(images: Tensor) -> None:
    """So ranks that hold whole pairs have what one rank with all of them has."""
    targets = soft_targets(torch.arange(7), 7)
    for mode in ("batch", "pair", "elem"):
        recipe = Mix(mixup_alpha=0.5, cutmix_alpha=1.0, mode=mode)
        whole = mix(images, targets, recipe=recipe, seed=0, epoch=1, indices=INDICES)
        parts = [
            mix(
                images[part],
                targets[part],
                recipe=recipe,
                seed=0,
                epoch=1,
                indices=INDICES[part],
                first=int(INDICES[0]),
            )
            for part in (slice(0, 2), slice(2, 7))
        ]
        for number in range(2):
            joined = torch.cat([part[number] for part in parts])
            assert torch.equal(joined, whole[number])
            assert not torch.equal(whole[number], (images, targets)[number])


def test_cutmix_by_hand() -> None:
    images = torch.tensor([1, 2], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 2, 3)
    boxes = np.array([[1, 0, 3, 1], [0, 0, 0, 0]])
    draw = MixDraw(np.array([2 / 3, 1.0]), boxes, neighbours(2))
    mixed, targets = apply_mix(images, torch.eye(2), draw)
    assert mixed[0, 1].tolist() == [[1, 2, 2], [1, 1, 1]]
    assert (mixed[1] == 2).all()
    torch.testing.assert_close(targets, torch.tensor([[2 / 3, 1 / 3], [0, 1]]))


@pytest.mark.parametrize("size", [(224, 224), (7, 5), (1, 1), (33, 20)])
def test_boxes_equal_timms(timm: ModuleType, size: tuple[int, int]) -> None:
    from timm.data.mixup import cutmix_bbox_and_lam

    for seed, share in enumerate([0.0, 1.0, 0.5, 0.013, 0.87, 0.9999, 0.3]):
        np.random.seed(seed)
        (upper, lower, left, right), kept = cutmix_bbox_and_lam((3, *size), share)
        np.random.seed(seed)
        middles = np.random.randint(0, size[0], 1), np.random.randint(0, size[1], 1)
        boxes, shares = cutmix_boxes(np.array([share]), middles, size=size)
        assert boxes.tolist() == [[left, upper, right, lower]]
        assert shares.tolist() == [kept]


def timms_draw(mixup: object, count: int, seed: int) -> MixDraw:
    """Make the draws that timm makes, in its order."""
    from timm.data.mixup import Mixup, cutmix_bbox_and_lam

    assert isinstance(mixup, Mixup)
    np.random.seed(seed)
    if mixup.mode == "batch":
        one_share, is_cut = mixup._params_per_batch()
        shares, are_cut, drawn_count = np.array([one_share]), [is_cut], 1
    else:
        drawn_count = count if mixup.mode == "elem" else count // 2
        shares, are_cut = mixup._params_per_elem(drawn_count)
    shares, boxes = shares.astype(np.float64), np.zeros((drawn_count, 4), np.int64)
    for row in range(drawn_count):
        if are_cut[row] and shares[row] != 1:
            edges, shares[row] = cutmix_bbox_and_lam((count, 3, *SIZE), shares[row])
            boxes[row] = np.array(edges)[[2, 0, 3, 1]]
    partners = np.arange(count)[::-1].copy()
    if mixup.mode == "batch":
        return MixDraw(np.repeat(shares, count), np.repeat(boxes, count, axis=0), partners)
    if mixup.mode == "pair":
        shares, boxes = (np.concatenate([half, half[::-1]]) for half in (shares, boxes))
    return MixDraw(shares, boxes, partners)


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_mixing_equals_timms_on_the_same_draw(timm: ModuleType, images: Tensor, mode: str) -> None:
    from timm.data.mixup import Mixup

    floats, labels = images[:6].float() / 7 - 9, torch.tensor([4, 0, 1, 2, 4, 3])
    kinds = set()
    for seed in range(12):
        mixup = Mixup(0.4, 1.0, prob=0.8, mode=mode, label_smoothing=0.1, num_classes=5)
        np.random.seed(seed)
        theirs, their_targets = mixup(floats.clone(), labels)
        draw = timms_draw(mixup, 6, seed)
        ours, targets = apply_mix(floats, soft_targets(labels, 5, smoothing=0.1), draw)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
        torch.testing.assert_close(targets, their_targets, rtol=0, atol=1e-6)
        cut = [bool(box.any()) for box in draw.boxes]
        kinds |= {(share < 1, is_cut) for share, is_cut in zip(draw.shares, cut, strict=True)}
    assert kinds == {(False, False), (True, False), (True, True)}


def test_mixed_bytes_equal_timms(timm: ModuleType, images: Tensor) -> None:
    from timm.data.mixup import FastCollateMixup

    labels = torch.tensor([4, 0, 1, 2, 4, 3])
    samples = [(image.numpy(), int(label)) for image, label in zip(images, labels, strict=False)]
    for seed in range(6):
        mixup = FastCollateMixup(0.4, 1.0, label_smoothing=0.1, num_classes=5)
        np.random.seed(seed)
        theirs, their_targets = mixup(samples)
        ours, targets = apply_mix(
            images[:6], soft_targets(labels, 5, smoothing=0.1), timms_draw(mixup, 6, seed)
        )
        assert torch.equal(ours, theirs)
        torch.testing.assert_close(targets, their_targets, rtol=0, atol=1e-6)


def test_a_pair_is_mixed_as_torchvision_does(torchvision: ModuleType, images: Tensor) -> None:
    from torchvision.transforms.v2 import CutMix, MixUp

    floats, labels = images[:2].float(), torch.tensor([1, 0])
    params = {"labels": labels, "batch_size": 2, "lam": 0.3}
    draw = MixDraw(np.array([0.3, 0.3]), np.zeros((2, 4), np.int64), neighbours(2))
    ours, targets = apply_mix(floats, soft_targets(labels, 3), draw)
    mixup = MixUp(num_classes=3)
    torch.testing.assert_close(ours, mixup.transform(floats, params))
    torch.testing.assert_close(targets, mixup.transform(labels, params))
    params |= {"box": (2, 5, 30, 11), "lam_adjusted": 1 - 28 * 6 / (20 * 33)}
    boxes = np.array([[2, 5, 30, 11]] * 2)
    draw = MixDraw(np.full(2, params["lam_adjusted"]), boxes, neighbours(2))
    ours, targets = apply_mix(floats, soft_targets(labels, 3), draw)
    cutmix = CutMix(num_classes=3)
    assert torch.equal(ours, cutmix.transform(floats, params))
    torch.testing.assert_close(targets, cutmix.transform(labels, params))


def test_what_has_a_draw_of_its_own() -> None:
    recipes = {
        mode: Mix(mixup_alpha=0.5, cutmix_alpha=1.0, mode=mode)
        for mode in ("batch", "pair", "elem")
    }
    batch = drawn(recipes["batch"])
    assert len(set(batch.shares)) == 1
    assert (batch.shares == drawn(recipes["batch"], INDICES[:2]).shares[0]).all()
    pair = drawn(recipes["pair"])
    assert (pair.shares == pair.shares[neighbours(7)]).all()
    assert len(set(pair.shares)) == 4
    elem = drawn(recipes["elem"])
    assert len(set(elem.shares)) == 7
    order = np.array([5, 0, 3])
    some = drawn(recipes["elem"], INDICES[order])
    assert (some.shares == elem.shares[order]).all()
    assert (some.boxes == elem.boxes[order]).all()


def test_seed_and_epoch_change_the_draw() -> None:
    recipe = Mix(mixup_alpha=0.5)
    shares = {
        draw_mix(recipe, INDICES, seed=seed, epoch=epoch, size=SIZE).shares[0]
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(shares) == 9


def test_probabilities_are_met() -> None:
    recipe = Mix(
        mixup_alpha=1.0, cutmix_alpha=1.0, probability=0.7, switch_probability=0.25, mode="elem"
    )
    draw = drawn(recipe, np.arange(4000), size=(224, 224))
    are_cut = draw.boxes[:, 2] > draw.boxes[:, 0]
    assert abs((draw.shares < 1).mean() - 0.7) < 0.03
    assert abs(are_cut.sum() / (draw.shares < 1).sum() - 0.25) < 0.03
    for switch, expected in ((0.0, 0.0), (1.0, 1.0)):
        recipe = Mix(mixup_alpha=1, cutmix_alpha=1, switch_probability=switch, mode="elem")
        draw = drawn(recipe, np.arange(400), size=(224, 224))
        cut_share = (draw.boxes[:, 2] > draw.boxes[:, 0])[draw.shares < 1].mean()
        assert cut_share == expected


@pytest.mark.parametrize(
    "recipe",
    [Mix(), Mix(mixup_alpha=1, cutmix_alpha=1, probability=0), Mix(switch_probability=1)],
)
def test_nothing_is_mixed_when_mixing_is_off(recipe: Mix, images: Tensor) -> None:
    targets = soft_targets(torch.arange(7), 7)
    mixed, mixed_targets = mix(images, targets, recipe=recipe, seed=0, epoch=0, indices=INDICES)
    assert torch.equal(mixed, images)
    assert torch.equal(mixed_targets, targets)


def test_the_one_that_is_on_is_used_whatever_the_switch_says() -> None:
    only_mixup = drawn(Mix(mixup_alpha=1.0, switch_probability=1.0))
    assert (only_mixup.shares < 1).all()
    assert not only_mixup.boxes.any()
    only_cutmix = drawn(Mix(cutmix_alpha=1.0, switch_probability=0.0), np.arange(50))
    assert only_cutmix.boxes.any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_types_formats_and_arguments_are_kept(
    images: Tensor, dtype: torch.dtype, count: int
) -> None:
    batch = images[:count].to(dtype).contiguous(memory_format=torch.channels_last)
    before, targets = batch.clone(), soft_targets(torch.arange(count), 7)
    for recipe in (Mix(mixup_alpha=1.0), Mix(cutmix_alpha=1.0), Mix(mixup_alpha=1, mode="elem")):
        mixed, mixed_targets = mix(
            batch, targets, recipe=recipe, seed=1, epoch=0, indices=INDICES[:count]
        )
        assert mixed.dtype == dtype
        assert mixed.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(mixed_targets.sum(dim=1), torch.ones(count))
        assert torch.equal(batch, before)
        if count == 1:
            torch.testing.assert_close(mixed, batch)


def test_what_cannot_be_mixed_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"targets are torch.int64\[7\].*see soft_targets"):
        mix(images, torch.arange(7), recipe=Mix(), seed=0, epoch=0, indices=INDICES)
    with pytest.raises(ValueError, match=r"expected uint8 or float \[n, 3, height, width\]"):
        mix(images[0], torch.eye(3), recipe=Mix(), seed=0, epoch=0, indices=INDICES)
    with pytest.raises(ValueError, match=r"indices have shape \[6\]"):
        mix(images, torch.eye(7), recipe=Mix(), seed=0, epoch=0, indices=INDICES[:6])
    with pytest.raises(ValueError, match="mixup_alpha is -1; allowed are 0 and more"):
        Mix(mixup_alpha=-1)
    with pytest.raises(ValueError, match=r"probability is 1\.5; allowed are 0 to 1"):
        Mix(probability=1.5)
    with pytest.raises(ValueError, match="mode is 'half'; allowed are batch, pair, elem"):
        Mix(mode="half")  # type: ignore[arg-type]
