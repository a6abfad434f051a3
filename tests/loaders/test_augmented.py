"""What a recipe does to batches, held against the functions that do it, in their order."""

import dataclasses
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")

import torch

from imnet_data import augment, rng
from imnet_data.augment.recipes import POLICIES
from imnet_data.errors import LabelError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import SupportsExtents
from imnet_data.loaders.torch import TorchLoader
from imnet_data.transforms import MultiCropRecipe, TrainRecipe, normalize, published

SEED, EPOCH = 5, 3
JITTER = augment.ColorJitter(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1)
MIX = augment.Mix(mixup_alpha=0.4, cutmix_alpha=1.0, smoothing=0.1)
EVERYTHING = TrainRecipe(
    size=24,
    policy=POLICIES["trivial-augment-wide"],
    color_jitter=JITTER,
    erasing=augment.Erasing(probability=0.9, mode="pixel"),
    mix=MIX,
)
VIEWS = MultiCropRecipe(
    views=[(2, 24, 0.4, 1.0), (3, 12, 0.05, 0.4)],
    color_jitter=JITTER,
    jitter=0.8,
    greyscale=0.3,
    blur=(1.0, 0.1, 0.5, 0.5, 0.5),
    solarize=(0.0, 0.5, 0.0, 0.0, 0.9),
)


def opened(source, recipe, *, batch_size=6, threads=2, device_options=None, **schedule):
    known = source._replace(class_count=7) if source.class_count is None else source
    repeats = recipe.repeats if isinstance(recipe, TrainRecipe) else 1
    made = Schedule(
        count=len(source.label), batch_size=batch_size, seed=SEED, repeats=repeats, **schedule
    )
    return TorchLoader(CpuLoader(known, recipe, made, threads=threads), **(device_options or {}))


def plain(source, recipe, **options):
    """The same batches as decoded, by the recipe without what is done to tensors."""
    bare = dataclasses.replace(recipe, policy=None, color_jitter=None, erasing=None, mix=None)
    with opened(source, bare, **options) as loader:
        return list(loader.loader.epoch(EPOCH))


def by_hand(batch, recipe):
    """What `augment` makes of a batch of one rank, without repeats."""
    drawn = {"seed": SEED, "epoch": EPOCH, "indices": batch.indices}
    pixels = torch.from_numpy(batch.images.copy()).permute(0, 3, 1, 2)
    if recipe.policy is not None:
        pixels = augment.apply_policy(pixels, recipe.policy, **drawn)
    if recipe.color_jitter is not None:
        pixels = augment.jitter(pixels, recipe=recipe.color_jitter, **drawn)
    values = normalize(pixels.permute(0, 2, 3, 1).numpy(), mean=recipe.mean, std=recipe.std)
    images, targets = torch.from_numpy(values), torch.from_numpy(batch.labels)
    if recipe.erasing is not None:
        images = augment.erase(images, recipe=recipe.erasing, **drawn)
    if recipe.mix is not None:
        targets = augment.soft_targets(targets, 7, smoothing=recipe.mix.smoothing)
        images, targets = augment.mix(images, targets, recipe=recipe.mix, **drawn)
    return images, targets


@pytest.mark.parametrize(
    "names",
    [
        ("policy",),
        ("color_jitter",),
        ("erasing",),
        ("mix",),
        ("policy", "color_jitter", "erasing", "mix"),
    ],
    ids=lambda names: "+".join(names),
)
def test_each_field_does_what_its_function_does(extents, names):
    fields = {name: getattr(EVERYTHING, name) for name in names}
    recipe = TrainRecipe(size=24, **fields)
    batches = plain(extents, recipe)
    with opened(extents, recipe) as loader:
        got = list(loader.epoch(EPOCH))
    assert len(got) == len(batches) == 3
    for batch, raw in zip(got, batches, strict=True):
        images, targets = by_hand(raw, recipe)
        assert torch.equal(batch.images, images)
        assert torch.equal(batch.labels, targets)
        assert batch.indices.tolist() == raw.indices.tolist()
        untouched = torch.from_numpy(normalize(raw.images, mean=recipe.mean, std=recipe.std))
        assert not torch.equal(batch.images, untouched)
    soft = {"mix"} <= set(names)
    assert batch.labels.dtype == (torch.float32 if soft else torch.int64)
    assert tuple(batch.labels.shape) == ((6, 7) if soft else (6,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_numbers_are_rounded_once_at_the_end(extents, dtype):
    options = {"dtype": dtype, "channels_last": True}
    with opened(extents, EVERYTHING, device_options=options) as loader:
        rounded = next(loader.epoch(EPOCH)).images
    with opened(extents, EVERYTHING) as loader:
        exact = next(loader.epoch(EPOCH)).images
    assert torch.equal(rounded, exact.to(dtype))
    assert rounded.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_ranks_threads_and_resuming_change_no_pixel_of_mixed_batches(extents, mode, repeats):
    recipe = dataclasses.replace(
        EVERYTHING, mix=dataclasses.replace(MIX, mode=mode), repeats=repeats
    )
    whole = by_key(opened(extents, recipe, batch_size=12, threads=1), repeats=repeats)
    assert len(whole) == 1
    for world_size, sizes in ((2, 6), (3, 4)):
        ranks = [
            by_key(
                opened(extents, recipe, batch_size=sizes, rank=rank, world_size=world_size),
                repeats=repeats,
            )
            for rank in range(world_size)
        ]
        for step, expected in enumerate(whole):
            got = {key: value for rank in ranks for key, value in rank[step].items()}
            assert got.keys() == expected.keys()
            assert len(got) == 12
            for key, (image, target) in got.items():
                assert torch.equal(image, expected[key][0])
                assert torch.equal(target, expected[key][1])
    resumed = opened(extents, recipe, batch_size=4)
    steps = list(resumed.epoch(EPOCH))
    for start in (1, 2, 4):
        for batch, expected in zip(resumed.epoch(EPOCH, start=start), steps[start:], strict=True):
            assert torch.equal(batch.images, expected.images)
            assert torch.equal(batch.labels, expected.labels)


def by_key(loader, *, repeats):
    """The images and targets of each batch by record and repeat, as one rank has them."""
    schedule = loader.loader.schedule
    order = schedule.epoch_order(EPOCH)
    found = []
    with loader:
        for step, batch in enumerate(loader.epoch(EPOCH)):
            keys = schedule.draws(order, step).keys.tolist()
            found.append(dict(zip(keys, zip(batch.images, batch.labels, strict=True), strict=True)))
    assert repeats == schedule.repeats
    return found


def test_a_batch_may_be_mixed_only_in_pairs(extents):
    mixed = TrainRecipe(size=8, mix=augment.Mix(mixup_alpha=0.2))
    with pytest.raises(ValueError, match=r"batch_size is 5, .* an even batch_size, and last="):
        opened(extents, mixed, batch_size=5)
    with pytest.raises(ValueError, match="the last batches are ragged"):
        opened(extents, mixed, batch_size=4, last="ragged")
    schedule = Schedule(count=23, batch_size=4)
    with pytest.raises(ValueError, match="the source has no class_count"):
        TorchLoader(CpuLoader(extents, mixed, schedule, threads=1))
    unlabelled = extents._replace(label=np.full(23, -1, np.int32))
    loader = opened(unlabelled, mixed, batch_size=4)
    with loader, pytest.raises(LabelError, match=r"n\d+_\d+ \(record \d+\).* has no label"):
        next(loader.epoch(0))


def test_uint8_batches_of_such_recipes_are_refused_and_not_given_without_it(extents):
    with opened(extents, EVERYTHING) as loader:
        with pytest.raises(ValueError, match=r"use TorchLoader\(loader\)"):
            loader.loader.epoch(0)
        with pytest.raises(ValueError, match=r"which makes one image"):
            loader.views(0)
    with opened(extents, VIEWS) as loader, pytest.raises(ValueError, match="several views"):
        loader.epoch(0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"policy": "rand-augment"}, "policy is 'rand-augment'; allowed are None, RandAugment"),
        ({"mix": 0.2}, "mix is 0.2; allowed are None, Mix"),
        ({"repeats": 0}, "repeats is 0; allowed are integers from 1"),
        ({"repeats": 1 << 12 | 1}, "repeats is 4097"),
    ],
)
def test_what_cannot_be_done_to_tensors_is_refused_by_name(changed, message):
    with pytest.raises(ValueError, match=message):
        TrainRecipe(**changed)


def test_views_have_the_colours_of_their_own_draws(extents):
    with opened(extents, VIEWS) as loader:
        (batch, *_), (raw, *_) = loader.views(EPOCH), loader.loader.views(EPOCH)
        assert len(batch.views) == len(raw.views) == 5
        for view, (made, pixels) in enumerate(zip(batch.views, raw.views, strict=True)):
            colored = augment.color_view(
                torch.from_numpy(pixels).permute(0, 3, 1, 2),
                recipe=VIEWS.colors(view),
                seed=SEED,
                epoch=EPOCH,
                indices=rng.keys(raw.indices, view=view),
            )
            values = normalize(colored.permute(0, 2, 3, 1).numpy(), mean=VIEWS.mean, std=VIEWS.std)
            assert torch.equal(made, torch.from_numpy(values))
            assert not np.array_equal(colored.permute(0, 2, 3, 1).numpy(), pixels)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_and_resuming_change_no_coloured_view(extents, world_size):
    with opened(extents, VIEWS) as loader:
        whole = list(loader.views(EPOCH))
    ranks = [
        opened(extents, VIEWS, batch_size=6 // world_size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for start in (0, 1):
        steps = list(zip(*(rank.views(EPOCH, start=start) for rank in ranks), strict=True))
        assert len(steps) == 3 - start
        for batches, expected in zip(steps, whole[start:], strict=True):
            for view in range(5):
                joined = torch.cat([batch.views[view] for batch in batches])
                assert torch.equal(joined, expected.views[view])
    for rank in ranks:
        rank.close()


def test_iterating_gives_a_list_of_views_and_labels(extents):
    with opened(extents, VIEWS) as loader:
        expected = list(loader.views(0))
        for (views, labels), batch in zip(loader, expected, strict=True):
            assert all(map(torch.equal, views, batch.views))
            assert torch.equal(labels, batch.labels)
    options = {"names": ("crops", "classes", "records"), "with_indices": True}
    with opened(extents, VIEWS, device_options=options) as loader:
        batch = next(iter(loader))
    assert [len(view) for view in batch["crops"]] == [6] * 5
    assert batch.keys() == {"crops", "classes", "records"}


def test_repeats_are_torchvisions_sampler_on_each_rank():
    """RASampler as pytorch/vision has it in references/classification/sampler.py, written anew."""
    count = 1000
    for repeats, world_size, batch_size in ((3, 1, 64), (3, 4, 16), (4, 8, 32), (2, 3, 5)):
        for rank in range(world_size):
            schedule = Schedule(
                count=count,
                batch_size=batch_size,
                seed=1,
                rank=rank,
                world_size=world_size,
                repeats=repeats,
            )
            order = schedule.epoch_order(2)
            repeated = [index for index in order.tolist() for _ in range(repeats)]
            missing = -len(repeated) % world_size
            theirs = (repeated + repeated[:missing])[rank::world_size]
            theirs = theirs[: count // 256 * 256 // world_size]
            ours = np.concatenate([schedule.batch(order, step) for step in range(len(schedule))])
            shared = min(len(ours), len(theirs))
            assert shared >= 700 // world_size
            assert ours[:shared].tolist() == theirs[:shared]
            if batch_size * world_size % 256 == 0:
                assert len(ours) == len(theirs)


def test_each_repeat_is_another_part_of_its_image(extents):
    recipe = TrainRecipe(size=16, repeats=4)
    with opened(extents, recipe, batch_size=8) as loader:
        assert len(loader) == 2  # as without repeats
        batches = list(loader.loader.epoch(0))
    taken = Counter(index for batch in batches for index in batch.indices.tolist())
    assert set(taken.values()) == {4}
    assert len(taken) == 4
    for batch in batches:
        for index in set(batch.indices.tolist()):
            parts = batch.images[batch.indices == index]
            if min(extents.width[index], extents.height[index]) > 20:
                assert len({part.tobytes() for part in parts}) == 4
    first = TrainRecipe(size=16)
    with opened(extents, first, batch_size=23) as loader:
        (whole,) = loader.loader.epoch(0)
    for index, image in zip(batches[0].indices[::4], batches[0].images[::4], strict=True):
        assert np.array_equal(image, whole.images[whole.indices == index][0])


def test_repeats_and_ragged_batches_exclude_each_other(extents):
    with pytest.raises(ValueError, match="last is 'ragged'; allowed are drop, wrap"):
        opened(extents, TrainRecipe(size=8, repeats=2), last="ragged")
    with opened(extents, TrainRecipe(size=8, repeats=2), last="wrap", batch_size=10) as loader:
        assert [len(batch.images) for batch in loader.epoch(0)] == [10] * 3


def test_published_recipes_say_what_their_sources_say():
    v2 = published.torchvision_v2()
    assert (v2.size, v2.repeats, v2.filter) == (176, 4, "bilinear")
    assert v2.policy == augment.TrivialAugmentWide(interpolation="bilinear")
    assert v2.mix == augment.Mix(mixup_alpha=0.2, cutmix_alpha=1.0)
    a1, a2, a3 = published.timm_a1(), published.timm_a2(), published.timm_a3()
    assert [recipe.size for recipe in (a1, a2, a3)] == [224, 224, 160]
    assert [recipe.repeats for recipe in (a1, a2, a3)] == [3, 3, 1]
    for recipe, magnitude, alpha in ((a1, 7, 0.2), (a2, 7, 0.1), (a3, 6, 0.1)):
        assert recipe.policy == augment.TimmRandAugment(magnitude=magnitude, magnitude_std=0.5)
        assert recipe.mix == augment.Mix(mixup_alpha=alpha, cutmix_alpha=1.0)
    assert published.byol().colors(0).blur == 1.0
    assert published.byol().colors(1).solarize == 0.2
    assert published.simclr().colors(0) == published.simclr().colors(1)
    assert not published.mae().is_augmented
    assert published.dino().view_count == 10


def test_deits_erasing_is_timms(timm):
    from timm.data.random_erasing import RandomErasing

    theirs, ours = RandomErasing(), published.deit().erasing
    assert ours is not None
    assert (theirs.min_area, theirs.max_area) == ours.scale
    assert np.allclose(theirs.log_aspect_ratio, np.log(ours.ratio), rtol=1e-12)


def test_a_source_of_files_need_not_count_its_classes_unless_images_are_mixed(extents):
    """As sources were before there was mixing: they are still read by native threads."""
    columns = extents._asdict()
    del columns["class_count"], columns["verdict"], columns["whole"]
    source = SimpleNamespace(**columns)
    assert isinstance(source, SupportsExtents)
    schedule = Schedule(count=23, batch_size=4)
    with TorchLoader(CpuLoader(source, TrainRecipe(size=8), schedule, threads=1)) as loader:
        assert len(next(loader.epoch(0)).images) == 4
    mixed = TrainRecipe(size=8, mix=MIX)
    with pytest.raises(ValueError, match="the source has no class_count"):
        TorchLoader(CpuLoader(source, mixed, schedule, threads=1))
