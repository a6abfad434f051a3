"""A pipeline of DALI alone, from a reader of its own over the shards of a dataset.

Nothing of ours runs while it does. So order and crops are DALI's: drawn from the seed by its
generators, shuffled within a buffer, and neither resumable by batch nor the same on other ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from nvidia.dali import fn, math, tfrecord, types

from imnet_data import formats
from imnet_data.arguments import integer
from imnet_data.loaders import ranks
from imnet_data.loaders.dali_graph import decode_options, empty_pipeline, resized
from imnet_data.loaders.dali_memory import decoding_threads
from imnet_data.machine import pool
from imnet_data.rng import Stream, hash64
from imnet_data.transforms import Progressive, TrainRecipe
from imnet_data.transforms.boxes import TRIES

if TYPE_CHECKING:
    from nvidia.dali import Pipeline

    from imnet_data.dataset.opened import Dataset
    from imnet_data.transforms import EvalRecipe

READER = "reader"  # the reader_name for DALI's iterators
_IMAGE, _LABEL = "image/encoded", "image/class/label"


def pipeline(
    dataset: Dataset,
    recipe: TrainRecipe | EvalRecipe,
    *,
    batch_size: int,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    device_id: int | None = None,
    threads: int | None = None,
) -> Pipeline:
    """Return a pipeline, not yet built, of images float32[3, size, size], normalised, and labels.

    Each rank reads a share of the records, padded to the same number of batches on all ranks. Give
    DALI's iterator `reader_name=READER` and `last_batch_policy=LastBatchPolicy.PARTIAL`: it takes
    the padding away again, and every record comes exactly once per epoch; or DROP, for batches of
    one size. With a TrainRecipe records are shuffled, and a rank goes on to the next share with
    each epoch; with an EvalRecipe it stays with its own.

    Args:
        dataset: of the format webdataset, tfrecord or folder, or caffe in one shard.
        recipe: what is done to the pixels.
        batch_size: records in a batch of one rank.
        seed: of order, crops and flips.
        rank: which of the processes this is, from 0.
        world_size: number of processes.
        device_id: number of the GPU; None for the CPU.
        threads: DALI's, on a GPU at most eight; by default this rank's share of the cores.

    Raises:
        ValueError: for a dataset without labels, a format that DALI does not read, and what of a
            recipe a pipeline cannot do: sizes that grow, views, a border.
    """
    integer("batch_size", batch_size, least=1)
    integer("world_size", world_size, least=1)
    integer("rank", rank, least=0, most=world_size - 1)
    columns = dataset.index
    threads = ranks.threads_of_rank() if threads is None else pool.thread_count(threads)
    threads = decoding_threads(threads, device_id=device_id)
    options = decode_options(columns.width, columns.height, device_id=device_id, threads=threads)
    own_seed = int(hash64(seed, Stream.ORDER, 0, np.array([rank]))[0] >> np.uint64(33))
    made = empty_pipeline(batch_size, threads, device_id, seed=own_seed)
    with made:
        jpegs, labels = _read(dataset, recipe, rank=rank, world_size=world_size)
        if isinstance(recipe, TrainRecipe):
            images = _train(jpegs, recipe, options)
            mirror = fn.random.coin_flip(probability=recipe.flip)
        else:
            images, mirror = _eval(jpegs, recipe, options), 0
        images = fn.crop_mirror_normalize(
            images,
            mirror=mirror,
            mean=[255 * value for value in recipe.mean],
            std=[255 * value for value in recipe.std],
        )
        labels = fn.cast(labels, dtype=types.INT64)
        made.set_outputs(images, labels if device_id is None else labels.gpu())
    return made


def _read(
    dataset: Dataset, recipe: TrainRecipe | EvalRecipe, *, rank: int, world_size: int
) -> tuple[Any, Any]:
    """Return JPEGs and labels; a label is a position in the dataset's class list."""
    if (dataset.labels < 0).any():
        raise ValueError(f"{dataset.directory}: has records without labels; use DaliLoader")
    is_training = isinstance(recipe, TrainRecipe)
    options = {
        "name": READER,
        "shard_id": rank,
        "num_shards": world_size,
        "random_shuffle": is_training,
        "stick_to_shard": not is_training,
        "pad_last_batch": True,  # without, the next epoch lacks what filled the last batch
    }
    paths = [str(path) for path in dataset.shard_paths]
    format_name = dataset.about.format
    if format_name == "webdataset":
        indices = [str(path.with_suffix(".idx")) for path in dataset.shard_paths]
        jpegs, digits = fn.readers.webdataset(
            paths=paths, index_paths=indices, ext=["jpg", "cls"], **options
        )
        return jpegs, _number(digits, len(str(len(dataset.classes))))
    if format_name == "tfrecord":
        features = {
            _IMAGE: tfrecord.FixedLenFeature([], tfrecord.string, ""),
            _LABEL: tfrecord.FixedLenFeature([1], tfrecord.int64, 0),
        }
        found = fn.readers.tfrecord(
            path=paths, index_path=[f"{path}.idx" for path in paths], features=features, **options
        )
        return found[_IMAGE], found[_LABEL][0] - 1  # the convention `tf`
    if formats.get(format_name).record_file is not None:
        files = [str(path) for path in dataset.files_of(np.arange(len(dataset)))]
        jpegs, labels = fn.readers.file(files=files, labels=dataset.labels.tolist(), **options)
        return jpegs, labels[0]
    if format_name == "caffe" and len(paths) == 1:
        jpegs, labels = fn.readers.caffe(path=str(dataset.directory), **options)
        return jpegs, labels[0]
    raise ValueError(
        f"{dataset.root}: DALI has no reader for {format_name} in {len(paths)} shards; allowed are "
        "webdataset, tfrecord, a file for each record, and caffe in one; or use DaliLoader, which "
        "reads all formats"
    )


def _number(digits: Any, most: int) -> Any:
    """Return what ASCII digits say: filled up with zeros to `most`, which are divided away."""
    missing = most - digits.shape()[0]
    filled = fn.pad(digits, axes=[0], shape=[most], fill_value=ord("0"))
    values = fn.cast(filled, dtype=types.INT32) - ord("0")
    powers = types.Constant(10 ** np.arange(most - 1, -1, -1, dtype=np.int32))
    return fn.reductions.sum(values * powers, axes=[0]) // fn.cast(
        math.pow(10, missing), dtype=types.INT32
    )


def _train(jpegs: Any, recipe: TrainRecipe, options: dict[str, Any]) -> Any:
    if isinstance(recipe.size, Progressive):
        raise ValueError("a pipeline has one size; make one for each size, or use DaliLoader")
    images = fn.decoders.image_random_crop(
        jpegs,
        random_area=list(recipe.scale),
        random_aspect_ratio=list(recipe.ratio),
        num_attempts=TRIES,
        **options,
    )
    return resized(images, [recipe.size, recipe.size], recipe.filter)


def _eval(jpegs: Any, recipe: EvalRecipe, options: dict[str, Any]) -> Any:
    """Do what `pipeline.eval_geometry` says: DALI's own rounding differs from torchvision's."""
    if recipe.view is not None or recipe.border:
        raise ValueError("a pipeline has neither views nor a border; use DaliLoader")
    shape = fn.cast(fn.peek_image_shape(jpegs, adjust_orientation=False), dtype=types.INT64)[:2]
    sizes = recipe.resize * shape // fn.reductions.min(shape, axes=[0])
    spare = sizes - recipe.crop
    inside = math.max(spare, 0)
    # halves are rounded to the even number, and black that is missing downwards
    start = (inside >> 1) + (inside & (inside >> 1) & 1) - (math.max(-spare, 0) >> 1)
    images = fn.decoders.image(jpegs, **options)
    return fn.slice(
        resized(images, fn.cast(sizes, dtype=types.FLOAT), recipe.filter),
        start=fn.cast(start, dtype=types.INT32),
        shape=[recipe.crop, recipe.crop],
        axis_names="HW",
        out_of_bounds_policy="pad",
    )
