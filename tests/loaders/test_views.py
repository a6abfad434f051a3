"""Views of one decode: pixels against Pillow's, boxes against torchvision's, ranks, resume."""

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imnet_data import rng
from imnet_data.errors import ImageError
from imnet_data.loaders import geometry
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.transforms import MultiCropRecipe, TrainRecipe

RECIPE = MultiCropRecipe(views=[(2, 48, 0.32, 1.0), (3, 20, 0.05, 0.32)])


def opened(source, recipe=RECIPE, *, batch_size=5, threads=2, **schedule):
    return CpuLoader(
        source,
        recipe,
        Schedule(count=len(source.label), batch_size=batch_size, seed=7, **schedule),
        threads=threads,
    )


def boxes_of(source, recipe, index, *, epoch):
    """The boxes and flips of all views of one record."""
    rows = geometry.view_rows(
        np.array([index]), source, recipe=recipe, seed=7, epoch=epoch, keys=np.array([index])
    )
    return [(tuple(row[geometry.CROP].tolist()), bool(row[geometry.FLIP])) for row in rows[0]]


@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
def test_each_view_is_pillows_crop_and_resize_of_its_box(extents, decoded, filter):
    recipe = MultiCropRecipe(views=RECIPE.views, filter=filter)
    resampling = getattr(Image.Resampling, filter.upper())
    seen = 0
    with opened(extents, recipe, last="ragged") as loader:
        for batch in loader.views(3):
            assert [view.shape[1:] for view in batch.views] == [(48, 48, 3)] * 2 + [(20, 20, 3)] * 3
            for position, index in enumerate(batch.indices.tolist()):
                assert batch.labels[position] == extents.label[index]
                image = Image.fromarray(decoded[index])
                views = boxes_of(extents, recipe, index, epoch=3)
                for view, (box, is_mirrored) in zip(batch.views, views, strict=True):
                    side = view.shape[1]
                    expected = image.crop(box).resize((side, side), resampling)
                    if is_mirrored:
                        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                    assert np.array_equal(view[position], np.asarray(expected)), (index, box)
                    seen += 1
        assert loader.decoded_by_pillow == 2  # the progressive one and the CMYK one
    assert seen == 23 * 5


def test_views_of_stored_pixels_are_those_of_the_image(extents, decoded, tmp_path):
    path = tmp_path / "pixels"
    path.write_bytes(b"".join(image.tobytes() for image in decoded))
    nbytes = np.array([image.nbytes for image in decoded])
    stored = extents._replace(
        shard_paths=[path],
        shard=np.zeros_like(extents.shard),
        offset=np.cumsum(nbytes) - nbytes,
        nbytes=nbytes,
        pixels=np.ones(len(nbytes), bool),
    )
    with opened(stored, last="ragged") as ours, opened(extents, last="ragged") as theirs:
        batches = zip(ours.views(0), theirs.views(0), strict=True)
        for batch, other in batches:
            for view, expected in zip(batch.views, other.views, strict=True):
                assert np.array_equal(view, expected)


def test_the_first_view_is_that_of_a_train_recipe_and_all_differ(extents):
    """MAE's single view is a plain crop."""
    recipe = MultiCropRecipe(views=[(1, 32, 0.2, 1.0)], filter="bicubic")
    plain = TrainRecipe(size=32, scale=(0.2, 1.0), filter="bicubic")
    with opened(extents, recipe) as loader, opened(extents, plain) as other:
        for batch, expected in zip(loader.views(1), other.epoch(1), strict=True):
            (view,) = batch.views
            assert np.array_equal(view, expected.images)
            assert np.array_equal(batch.labels, expected.labels)
            assert np.array_equal(batch.indices, expected.indices)
    boxes = boxes_of(extents, RECIPE, 0, epoch=1)
    assert len({box for box, _ in boxes}) == len(boxes) == 5
    assert boxes != boxes_of(extents, RECIPE, 0, epoch=2)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_threads_and_resuming_change_no_view(extents, world_size):
    with opened(extents, batch_size=6, threads=1) as whole:
        expected = [[np.copy(view) for view in batch.views] for batch in whole.views(2)]
    ranks = [
        opened(
            extents,
            batch_size=6 // world_size,
            threads=3,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]
    for start in (0, 2):
        steps = zip(*(rank.views(2, start=start) for rank in ranks), strict=True)
        got = [
            [np.concatenate(parts) for parts in zip(*(b.views for b in batches), strict=True)]
            for batches in steps
        ]
        assert len(got) == len(expected) - start == 3 - start
        for views, others in zip(got, expected[start:], strict=True):
            for view, other in zip(views, others, strict=True):
                assert np.array_equal(view, other)
    for rank in ranks:
        rank.close()


def test_boxes_are_distributed_as_torchvisions(torchvision):
    """DINO's views, torchvision's own get_params as the oracle; both sides have fixed seeds."""
    import torch
    from scipy.stats import ks_2samp
    from torchvision.transforms import RandomResizedCrop

    count, width, height = 4000, 500, 375
    recipe = MultiCropRecipe(views=[(2, 224, 0.4, 1.0), (8, 96, 0.05, 0.4)])
    columns = _Sizes(np.full(count, width), np.full(count, height))
    indices = np.arange(count)
    rows = geometry.view_rows(indices, columns, recipe=recipe, seed=0, epoch=0, keys=indices)
    image = Image.new("RGB", (width, height))
    torch.manual_seed(0)
    for view, scale in ((0, (0.4, 1.0)), (1, (0.4, 1.0)), (2, (0.05, 0.4)), (9, (0.05, 0.4))):
        left, upper, right, lower = rows[:, view, geometry.CROP].T
        theirs = np.array(
            [RandomResizedCrop.get_params(image, scale, (3 / 4, 4 / 3)) for _ in range(count)]
        )
        top, left_of, tall, wide = theirs.T
        for ours, other in (
            (left, left_of),
            (upper, top),
            (right - left, wide),
            (lower - upper, tall),
            ((right - left) * (lower - upper), wide * tall),
            ((right - left) / (lower - upper), wide / tall),
        ):
            assert ks_2samp(ours, other).pvalue > 0.001
    flips = rows[:, :, geometry.FLIP]
    assert abs(flips.mean() - 0.5) < 0.01
    correlations = np.corrcoef(rows[:, :, geometry.CROP][:, :, 0].T)
    assert np.abs(correlations - np.eye(10)).max() < 0.08  # views are drawn by themselves


class _Sizes:
    """Columns of images of which only the sizes matter."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.pixels = np.zeros(len(width), bool)
        self.key = np.full(len(width), b"one")
        self.label = np.zeros(len(width), np.int64)


def test_keys_of_repeats_and_views_are_all_different():
    indices = np.array([0, 1, 2**40 - 1])
    found = {
        key
        for repeat in (0, 1, rng.MAX_REPEATS - 1)
        for view in (0, 1, rng.MAX_VIEWS - 1)
        for key in rng.keys(indices, repeat=repeat, view=view).tolist()
    }
    assert len(found) == 27
    assert min(found) == 0
    assert rng.keys(indices).tolist() == indices.tolist()


def test_a_damaged_record_names_itself_or_is_skipped_from_all_views(extents, jpegs):
    half = len(jpegs[0]) // 2
    broken = extents._replace(nbytes=np.where(np.arange(23) == 0, half, extents.nbytes))
    with opened(broken) as loader, pytest.raises(ImageError, match="n00000000_0"):
        list(loader.views(0))
    schedule = Schedule(count=23, batch_size=23, last="ragged", order="sequential")
    with CpuLoader(broken, RECIPE, schedule, threads=2, on_error="skip") as loader:
        with pytest.warns(RuntimeWarning, match="1 records were skipped"):
            (batch,) = loader.views(0)
        assert loader.skipped.keys() == {0}
    assert [len(view) for view in batch.views] == [22] * 5
    assert batch.indices.tolist() == list(range(1, 23))
    schedule = Schedule(count=23, batch_size=23, order="sequential")
    with CpuLoader(extents, RECIPE, schedule, threads=2) as loader:
        (whole,) = loader.views(0)
    for view, expected in zip(batch.views, whole.views, strict=True):
        assert np.array_equal(view, expected[1:])


def test_the_wrong_method_says_which_is_right(extents):
    with opened(extents) as loader, pytest.raises(ValueError, match=r"use loader\.views\(number\)"):
        loader.epoch(0)
    plain = TrainRecipe(size=8)
    with opened(extents, plain) as loader, pytest.raises(ValueError, match=r"loader\.epoch"):
        loader.views(0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"views": []}, r"views are \[\]; allowed are tuples of number, size"),
        ({"views": [(1, 2, 3)]}, r"views are \[\(1, 2, 3\)\]"),
        ({"views": 5}, "views are 5"),
        ({"views": [(0, 24, 0.3, 1.0)]}, "number of views is 0; allowed are integers from 1"),
        ({"views": [(1, 24, 0.3, 0.1)]}, r"scale\[1\] is 0\.1; allowed are numbers from 0\.3"),
        ({"views": [(1, 70_000, 0.3, 1.0)]}, "size of views is 70000"),
        ({"blur": (1.0, 0.5)}, r"blur is \(1\.0, 0\.5\); .* one for each of 5 views"),
        ({"solarize": 2}, r"solarize\[0\] is 2; allowed are numbers from 0 to 1"),
        ({"blur_sigma": (2.0, 1.0)}, "blur_sigma is 2.0, 1.0; expected 0 < least <= greatest"),
        ({"color_jitter": 0.4}, "color_jitter is 0.4; allowed are None, ColorJitter"),
        ({"filter": "nearest"}, "filter is 'nearest'; allowed are bilinear, bicubic"),
    ],
)
def test_what_makes_no_views_is_refused_by_name(changed, message):
    with pytest.raises(ValueError, match=message):
        MultiCropRecipe(**{"views": RECIPE.views, **changed})


def test_a_recipe_of_views_is_a_value():
    lists: Any = [[2, 48, 0.32, 1.0], [3, 20, 0.05, 0.32]]
    recipe = MultiCropRecipe(views=lists)
    assert recipe == RECIPE
    assert hash(recipe) == hash(RECIPE)
    assert recipe.view_count == 5
    assert not recipe.is_augmented


def test_what_no_view_needs_is_not_decoded(decoded):
    """So the union of the boxes is, and not each box, nor the whole image."""
    pixels = np.ascontiguousarray(np.tile(decoded[0], (4, 1, 1)))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, restart_marker_rows=1)
    whole = file.getvalue()
    damaged = bytearray(whole)
    markers = [found.end() for found in re.finditer(rb"\xff[\xd0-\xd7]", whole)]
    for after in markers[len(markers) * 2 // 3 :]:
        damaged[after : after + 8] = bytes(8)
    height, width = pixels.shape[:2]
    recipe = MultiCropRecipe(views=[(3, 16, 0.001, 0.01)])
    lowest = {}
    for epoch in range(60):
        boxes = boxes_of(_Sizes(np.array([width]), np.array([height])), recipe, 0, epoch=epoch)
        lowest[epoch] = max(box[3] for box, _ in boxes) / height
    above = min(lowest, key=lowest.__getitem__)
    below = max(lowest, key=lowest.__getitem__)
    assert lowest[above] < 0.5
    assert lowest[below] > 0.8
    with opened(_One(whole, width, height), recipe, batch_size=1) as loader:
        (expected,) = loader.views(above)
    with opened(_One(bytes(damaged), width, height), recipe, batch_size=1) as loader:
        (got,) = loader.views(above)
        with pytest.raises(ImageError, match="one"):
            next(loader.views(below))
    for view, other in zip(got.views, expected.views, strict=True):
        assert np.array_equal(view, other)


class _One(_Sizes):
    """A source of one image in memory."""

    def __init__(self, jpeg, width, height):
        super().__init__(np.array([width]), np.array([height]))
        self._jpeg = jpeg

    def read(self, index):
        return self._jpeg
