"""`dali.pipeline`: DALI's own readers over our datasets, on its CPU backend."""

from collections import Counter

import numpy as np
import pytest

import imnet_data as imnet
from imnet_data.dataset.description import Options
from imnet_data.synth import synth
from imnet_data.transforms import EvalRecipe, Progressive, TrainRecipe, normalize

pytest.importorskip("nvidia.dali", reason="DALI is not installed: the extra `dali`")
pytest.importorskip("torch", reason="torch is not installed: DALI's iterator for it is used")

from nvidia.dali.plugin.pytorch import DALIGenericIterator, LastBatchPolicy

from imnet_data.loaders.dali import READER, pipeline

FORMATS = ["webdataset", "tfrecord", "folder", "caffe"]
TRAIN = TrainRecipe(size=32)
EVALUATE = EvalRecipe(resize=36, crop=32)


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    synth(
        folder,
        class_count=12,
        images_per_class=2,
        val_per_class=1,
        test_count=2,
        mean_nbytes=3000,
    )
    return folder


@pytest.fixture(scope="module", params=FORMATS)
def root(request, tarballs, tmp_path_factory):
    """A dataset of 24 images to train with and 12 to evaluate on; labels have one digit or two."""
    folder = tmp_path_factory.mktemp(request.param) / "dataset"
    imnet.convert([tarballs], folder, format=request.param, workers=1)
    return folder


def iterate(made):
    return DALIGenericIterator(
        made,
        ["images", "labels"],
        reader_name=READER,
        last_batch_policy=LastBatchPolicy.PARTIAL,
        auto_reset=True,
    )


def batches_of(dataset, recipe, *, epochs=1, batch_size=5, **options):
    batches = iterate(pipeline(dataset, recipe, batch_size=batch_size, threads=1, **options))
    return [
        (batch["images"].numpy(), batch["labels"].numpy())
        for _ in range(epochs)
        for (batch,) in batches
    ]


@pytest.mark.parametrize("world_size", [1, 5, 7])
@pytest.mark.parametrize("recipe", [TRAIN, EVALUATE], ids=["train", "evaluate"])
def test_every_record_comes_once_over_all_ranks(root, recipe, world_size):
    with imnet.Dataset.open(root, "val") as dataset:
        ranks = [
            batches_of(dataset, recipe, batch_size=2, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        assert len({len(rank) for rank in ranks}) == 1
        labels = [labels for rank in ranks for _, labels in rank]
        assert Counter(np.concatenate(labels).tolist()) == Counter(dataset.labels.tolist())


def test_each_epoch_of_training_has_every_record_once_over_all_ranks(root):
    with imnet.Dataset.open(root, "train") as dataset:
        stored = Counter(dataset.labels.tolist())
        ranks = [
            iterate(pipeline(dataset, TRAIN, batch_size=2, rank=rank, world_size=5, threads=1))
            for rank in range(5)
        ]
        for _ in range(3):
            labels = [batch["labels"] for rank in ranks for (batch,) in rank]
            assert Counter(np.concatenate(labels).tolist()) == stored


def test_images_to_evaluate_are_those_of_the_cpu_loader_but_for_rounding(root):
    """In stored order, each beside its label."""
    for recipe in (EVALUATE, EvalRecipe(resize=33, crop=32), EvalRecipe(resize=45, crop=50)):
        with (
            imnet.open_loader(root, recipe, batch_size=5) as loader,
            imnet.Dataset.open(root, "val") as dataset,
        ):
            batches = batches_of(dataset, recipe)
            assert len(batches) > 1
            for (images, labels), other in zip(batches, loader.epoch(0), strict=True):
                np.testing.assert_array_equal(labels, other.labels)
                expected = normalize(other.images, mean=recipe.mean, std=recipe.std)
                assert images.shape == expected.shape
                assert images.dtype == np.float32
                assert np.abs(images - expected).mean() < 0.5 / 255 / 0.22


def test_training_is_shuffled_by_the_seed(root):
    with imnet.Dataset.open(root, "train") as dataset:
        stored = dataset.labels.tolist()
        one, again, other = (batches_of(dataset, TRAIN, seed=seed, epochs=2) for seed in (1, 1, 2))
    labels = np.concatenate([labels for _, labels in one])
    assert sorted(labels[:24]) == sorted(labels[24:]) == sorted(stored)
    assert labels[:24].tolist() != stored
    assert labels[:24].tolist() != labels[24:].tolist()
    assert labels.tolist() != np.concatenate([labels for _, labels in other]).tolist()
    for (images, _), (same, _) in zip(one, again, strict=True):
        np.testing.assert_array_equal(images, same)
    assert one[0][0].shape == (5, 3, 32, 32)


def test_several_shards_are_read(tarballs, tmp_path):
    options = Options(shard_nbytes=20_000)
    for name in ("webdataset", "tfrecord"):
        imnet.convert([tarballs], tmp_path / name, format=name, workers=1, options=options)
        with imnet.Dataset.open(tmp_path / name, "train") as dataset:
            assert len(dataset.shard_paths) > 1
            labels = [labels for _, labels in batches_of(dataset, EVALUATE)]
            np.testing.assert_array_equal(np.concatenate(labels), dataset.labels)


def test_what_a_pipeline_cannot_do_is_refused(root, tarballs, tmp_path):
    growing = Progressive(min_size=32, max_size=64, start_epoch=0, end_epoch=1)
    with imnet.Dataset.open(root, "val") as dataset:
        with pytest.raises(ValueError, match=r"a pipeline has one size"):
            pipeline(dataset, TrainRecipe(size=growing), batch_size=2)
        for recipe in (EvalRecipe(view=1), EvalRecipe(border=2)):
            with pytest.raises(ValueError, match=r"a pipeline has neither views nor a border"):
                pipeline(dataset, recipe, batch_size=2)
    with (
        imnet.Dataset.open(root, "test") as dataset,
        pytest.raises(ValueError, match=r"has records without labels; use DaliLoader"),
    ):
        pipeline(dataset, EVALUATE, batch_size=2)


@pytest.mark.parametrize("format_name", ["beton", "lmdb"])
def test_a_format_that_dali_does_not_read_is_refused(tarballs, tmp_path, format_name):
    imnet.convert([tarballs], tmp_path / "out", format=format_name, workers=1)
    with (
        imnet.Dataset.open(tmp_path / "out", "val") as dataset,
        pytest.raises(ValueError, match=rf"DALI has no reader for {format_name} in 1 shards"),
    ):
        pipeline(dataset, EVALUATE, batch_size=2)


@pytest.mark.parametrize("recipe", [TRAIN, EVALUATE], ids=["train", "evaluate"])
def test_a_pipeline_of_a_gpu_can_be_put_together(root, recipe):
    """It cannot be built where there is none."""
    with imnet.Dataset.open(root, "val") as dataset:
        made = pipeline(dataset, recipe, batch_size=5, device_id=0)
    assert (made.device_id, made.max_batch_size) == (0, 5)


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", [TRAIN, EVALUATE], ids=["train", "evaluate"])
def test_a_gpu_has_every_record_once(root, recipe):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    with imnet.Dataset.open(root, "val") as dataset:
        batches = iterate(pipeline(dataset, recipe, batch_size=5, device_id=0))
        labels = torch.cat([batch["labels"] for (batch,) in batches])
        assert labels.device.type == "cuda"
        assert Counter(labels.tolist()) == Counter(dataset.labels.tolist())
