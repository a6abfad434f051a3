import numpy as np
import pytest

from imnet_data import formats
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Last, Order, Schedule
from imnet_data.loaders.source import SupportsExtents, source_of
from imnet_data.synth import synth
from imnet_data.transforms import EvalRecipe, TrainRecipe


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tarballs")
    synth(folder, class_count=3, images_per_class=9, val_per_class=3, test_count=2)
    return folder


@pytest.fixture(scope="module")
def expected(tarballs, tmp_path_factory):
    return batches_of(tarballs, tmp_path_factory.mktemp("expected"), "webdataset")


def batches_of(tarballs, folder, format_name, **options):
    root = folder / format_name
    convert([tarballs], root, format=format_name, options=Options(**options))
    batches = []
    each: list[tuple[str, TrainRecipe | EvalRecipe, Order, Last]] = [
        ("train", TrainRecipe(size=64), "shuffled", "drop"),
        ("val", EvalRecipe(resize=72, crop=64), "sequential", "ragged"),
    ]
    for split, recipe, order, last in each:
        with Dataset.open(root, split) as dataset:
            source = source_of(dataset)
            assert isinstance(source, SupportsExtents)  # read, and read ahead, by native threads
            schedule = Schedule(count=len(dataset), batch_size=4, order=order, last=last)
            with CpuLoader(source, recipe, schedule, threads=2) as loader:
                batches += list(loader.epoch(1))
            for batch in batches[-2:]:
                np.testing.assert_array_equal(batch.labels, dataset.labels[batch.indices])
    return batches


@pytest.mark.parametrize("format_name", sorted(formats.FORMATS))
def test_every_format_gives_the_same_batches(tarballs, expected, tmp_path, format_name):
    assert_same(batches_of(tarballs, tmp_path, format_name), expected)


def test_images_stored_as_pixels_give_the_same_batches(tarballs, expected, tmp_path):
    assert_same(batches_of(tarballs, tmp_path, "beton", raw=0.5), expected)


@pytest.mark.parametrize(
    ("format_name", "jpeg"),
    [
        ("webdataset", "original"),
        ("folder", "seekable"),
        ("webdataset", "packed"),
        ("lmdb", "packed"),
        ("tfrecord", "packed"),
    ],
)
def test_the_other_form_of_jpegs_gives_the_same_batches(
    tarballs, expected, tmp_path, format_name, jpeg
):
    assert_same(batches_of(tarballs, tmp_path, format_name, jpeg=jpeg), expected)


def assert_same(made, expected):
    assert len(made) == 27 // 4 + 3
    for batch, other in zip(made, expected, strict=True):
        for ours, theirs in zip(batch, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
