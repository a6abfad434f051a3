"""From the folder of a dataset to its batches, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from imnet_data.arguments import one_of
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import MissingExtra
from imnet_data.imagenet.variants import refuse_training
from imnet_data.loaders import ranks
from imnet_data.loaders.cpu import CpuLoader, OnError
from imnet_data.loaders.schedule import Last, Order, Schedule
from imnet_data.loaders.source import require_decodable, source_of
from imnet_data.machine import pool
from imnet_data.transforms import EvalRecipe, MultiCropRecipe, TrainRecipe

if TYPE_CHECKING:
    from imnet_data.arguments import StrPath
    from imnet_data.loaders.dali import DaliLoader
    from imnet_data.loaders.torch import TorchLoader

Decoder = Literal["cpu", "dali"]


@overload
def open_loader(
    root: StrPath,
    recipe: TrainRecipe | EvalRecipe | MultiCropRecipe,
    *,
    batch_size: int,
    split: str | None = None,
    seed: int = 0,
    rank: int | None = None,
    world_size: int | None = None,
    order: Order | None = None,
    last: Last | None = None,
    labels: str | None = None,
    on_error: OnError = "raise",
    threads: int | None = None,
    device: Literal["cpu"] = "cpu",
    decoder: Literal["cpu"] | None = None,
    cache: StrPath | None = None,
    cache_size: int | str | None = None,
) -> CpuLoader: ...


@overload
def open_loader(
    root: StrPath,
    recipe: TrainRecipe | EvalRecipe | MultiCropRecipe,
    *,
    batch_size: int,
    split: str | None = None,
    seed: int = 0,
    rank: int | None = None,
    world_size: int | None = None,
    order: Order | None = None,
    last: Last | None = None,
    labels: str | None = None,
    on_error: OnError = "raise",
    threads: int | None = None,
    device: str = "cpu",
    decoder: Decoder | None = None,
    cache: StrPath | None = None,
    cache_size: int | str | None = None,
) -> CpuLoader | DaliLoader | TorchLoader: ...


def open_loader(
    root: StrPath,
    recipe: TrainRecipe | EvalRecipe | MultiCropRecipe,
    *,
    batch_size: int,
    split: str | None = None,
    seed: int = 0,
    rank: int | None = None,
    world_size: int | None = None,
    order: Order | None = None,
    last: Last | None = None,
    labels: str | None = None,
    on_error: OnError = "raise",
    threads: int | None = None,
    device: str = "cpu",
    decoder: Decoder | None = None,
    cache: StrPath | None = None,
    cache_size: int | str | None = None,
) -> CpuLoader | DaliLoader | TorchLoader:
    """Return the batches of one rank: shuffled to train with, each record exactly once to evaluate.

    Args:
        root: the folder of a dataset, or the URL of one in an object store.
        recipe: what is done to the pixels, or to the views of a MultiCropRecipe. What a TrainRecipe
            does to tensors (mixup and the like) is done by a TorchLoader.
        batch_size: records in a batch of one rank.
        split: by default "val" with an EvalRecipe, else "train".
        seed: of order, crops and flips.
        rank: which of the processes this is, from 0; by default as torch.distributed has it, or,
            where that is not initialised, as torchrun, srun or mpirun have set it.
        world_size: number of processes, likewise.
        order: "shuffled", "block" (see `schedule`) or "sequential"; by default "sequential" with an
            EvalRecipe, else "shuffled".
        last: what becomes of records that do not fill a batch on each rank: "drop" leaves them out,
            "wrap" fills the batch with the epoch's first, "ragged" spreads them over the ranks in
            smaller batches; by default "ragged" with an EvalRecipe, else "drop".
        labels: the label space of the batches' labels, such as "12k" or a file; -1 for classes
            outside of it. By default a label is the position among the dataset's own classes.
        on_error: "raise" at a bad record, or "skip" and count it, which decoder "cpu" alone can.
        threads: native threads; by default this rank's share of the cores that its machine has.
        device: "cpu" gives arrays as decoded, Batch; another one is for torch and gives normalised
            tensors there, TensorBatch. `TorchLoader` gives tensors on every device.
        decoder: by default "dali" for device "cuda" and "cpu" for the others. "cpu" is threads on
            the CPU, with exact pixels, copied to the device on a stream of its own; "dali" is
            nvJPEG on a GPU, libjpeg-turbo on the CPU, with pixels near to those. Views are for
            "cpu" alone.
        cache: of a URL, the folder on a local disk that its files come to; processes share it.
        cache_size: what the shards there may take, in bytes or as "500GB"; by default all of it.

    Raises:
        ManifestError: if there is no dataset, or it is damaged.
        SplitError: if it has no such split.
        LabelError: if the label space has none of its classes.
        ImageError: with `on_error="raise"`, if it was made with records that cannot be decoded.
        MissingExtra: if a device or a decoder is asked for whose package is not installed.
        StorageError: if a dataset at a URL cannot be had from its store.
        SourceError: for a TrainRecipe and a dataset whose licence forbids to train on it.
        ValueError: if there is no such label space or device, the records do not fill one batch, or
            torch.distributed has another rank than the one that was passed.
    """
    has_views = isinstance(recipe, MultiCropRecipe)
    is_gpu = device.partition(":")[0] == "cuda"
    decoder = decoder or ("dali" if is_gpu and not has_views else "cpu")
    one_of("decoder", decoder, ("cpu",) if has_views else ("cpu", "dali"))
    one_of("on_error", on_error, ("raise", "skip") if decoder == "cpu" else ("raise",))
    if not isinstance(recipe, TrainRecipe | EvalRecipe | MultiCropRecipe):
        raise ValueError(
            f"recipe is {recipe!r}; allowed are TrainRecipe(...), EvalRecipe(...), "
            "MultiCropRecipe(...)"
        )
    on_device = None if device == "cpu" else _torch(device)
    is_training = not isinstance(recipe, EvalRecipe)
    split = split or ("train" if is_training else "val")
    dataset = Dataset.open(root, split, cache=cache, cache_size=cache_size)
    if is_training:
        refuse_training(dataset.about.name)
    place = ranks.chosen(rank, world_size)
    schedule = Schedule(
        count=len(dataset),
        batch_size=batch_size,
        seed=seed,
        rank=place.rank,
        world_size=place.world_size,
        order=("shuffled" if is_training else "sequential") if order is None else order,
        last=("drop" if is_training else "ragged") if last is None else last,
        repeats=recipe.repeats if isinstance(recipe, TrainRecipe) else 1,
    )
    threads = ranks.threads_of_rank() if threads is None else pool.thread_count(threads)
    source = source_of(dataset, labels=labels)
    if on_error == "raise":
        require_decodable(source)
    loader: CpuLoader | DaliLoader
    if decoder == "cpu":
        loader = CpuLoader(
            source, recipe, schedule, threads=threads, on_error=on_error, dataset=dataset
        )
    else:
        assert not isinstance(recipe, MultiCropRecipe)
        loader = _dali()(source, recipe, schedule, device=device, threads=threads, dataset=dataset)
    loader.ranks = place
    if on_device is None:
        return loader
    try:
        return on_device(loader, device=device)
    except ValueError:
        loader.close()
        raise


def _dali() -> type[DaliLoader]:
    try:
        from imnet_data.loaders.dali import DaliLoader
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "decoder 'dali' needs nvidia-dali, which is not installed; "
            "in a clone of imnet-data, run: pip install '.[dali]' (CUDA 13) or '.[dali-cuda12]' "
            "(CUDA 12); or pass decoder='cpu' (decoded by the CPU, copied to the GPU)"
        ) from error
    return DaliLoader


def _torch(device: str) -> type[TorchLoader]:
    try:
        from imnet_data.loaders.torch import TorchLoader
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"device {device!r} needs {error.name}, which is not installed; "
            "in a clone of imnet-data, run: pip install '.[torch]'"
        ) from error
    return TorchLoader
