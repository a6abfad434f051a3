"""DALI on the device, held against the CPU loader image by image; its memory and its failures."""

import contextlib
import gc
import itertools

import numpy as np
from image_source import differences, epoch_on_host, source_of_files
from jpeg_images import encoded, kinds_of_jpeg, photo, stripes

import imnet_data as imnet
from gpu_kit.checks import need_dali, need_gpu, require
from imnet_data import jpeg
from imnet_data.errors import ImageError
from imnet_data.loaders import dali_memory
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.transforms import EvalRecipe, TrainRecipe

SIDE = 96  # of the images that are made here
WHOLE = EvalRecipe(resize=SIDE, crop=SIDE)
MOST = 2.0  # levels, mean of an image: nvJPEG rounds otherwise than libjpeg-turbo, and the resize
MOST_OF_THE_CUT = 0.5
LOADS = (0.0, 0.65, 1.0)  # shares of the hardware decoder


def run(check, place):
    """Run the assertions of this section."""
    for load in (0.0, 1.0):
        with check(f"stripes: chroma is interpolated, hw_decoder_load={load}") as facts:
            need_dali()
            facts["differences"] = striped(place, load)
    with check("each kind of JPEG is decoded in its place") as facts:
        need_dali()
        facts["differences"] = of_kinds(place)
    for load, cut in itertools.product(LOADS, (True, False)):
        kind = "cut" if cut else "whole"
        with check(f"photographs, {kind}, hw_decoder_load={load}: each is the CPU's") as facts:
            need_dali()
            facts |= photographs(place, load, cut=cut)
    with check("a damaged record is named, and only that") as facts:
        need_dali()
        facts["errors"] = damaged(place)
    with check("batches under a slow stream keep their checksums") as facts:
        need_dali()
        facts["batches"] = under_a_slow_stream(place)
    with check("five loaders in turn take the memory of one") as facts:
        need_dali()
        need_gpu(place)
        facts |= memory(place)
    with check("out of memory is no record's fault") as facts:
        need_dali()
        need_gpu(place)
        facts["error"] = out_of_memory(place)


def loader_of(source, recipe, place, *, batch_size=16, **options):
    """Return DALI's loader of a source."""
    from imnet_data.loaders.dali import DaliLoader

    return DaliLoader(
        source, recipe, ordered(source, batch_size), device=place.device, threads=8, **options
    )


def ordered(source, batch_size=16):
    """Return a schedule of every record, in its order."""
    return Schedule(
        count=len(source.label), batch_size=batch_size, order="sequential", last="ragged"
    )


def expected(source, recipe):
    """Return the images of an epoch of the CPU loader."""
    return epoch_on_host(CpuLoader(source, recipe, ordered(source)))


def rounded(found):
    """Return differences as JSON has them."""
    return [round(float(value), 3) for value in found]


def striped(place, load):
    """Return the difference of each image of stripes; 21 levels without interpolation."""
    images = [
        jpeg.seekable(encoded(stripes(SIDE, SIDE, phase=phase), quality=95, subsampling=2))
        for phase in range(32)
    ]
    source = source_of_files(images, place.folder / f"stripes-{load}")
    decoded = epoch_on_host(loader_of(source, WHOLE, place, hw_decoder_load=load))
    found = differences(decoded, expected(source, WHOLE))
    require(found.max() < MOST, f"an image differs by {found.max():.2f} levels")
    return rounded(found)


def of_kinds(place):
    """Return the difference of each kind of JPEG; none, where it is decoded on the CPU."""
    kinds = kinds_of_jpeg(SIDE)
    images, are_alike = zip(*kinds.values(), strict=True)
    source = source_of_files(images, place.folder / "kinds")
    decoded = epoch_on_host(loader_of(source, WHOLE, place))
    found = differences(decoded, expected(source, WHOLE))
    named = dict(zip(kinds, rounded(found), strict=True))
    require(found.max() < MOST, f"a kind differs: {named}")
    require(not found[~np.array(are_alike)].any(), f"exact pixels differ: {named}")
    return named


def photographs(place, load, *, cut):
    """Compare an epoch with the CPU's, and with itself; return what is seen of the differences."""
    recipe = TrainRecipe(size=place.of(224, 64))
    with imnet.Dataset.open(place.dataset, "train") as dataset:
        source = source_of(dataset)
        options = {"hw_decoder_load": load, "cut": cut}
        decoded, again = (
            epoch_on_host(loader_of(source, recipe, place, **options)) for _ in range(2)
        )
        found = differences(decoded, expected(source, recipe))
        whole = epoch_on_host(loader_of(source, recipe, place, hw_decoder_load=load, cut=False))
    worst = int(found.argmax())
    seen = {
        "images": len(found),
        "mean": round(float(found.mean()), 3),
        "worst": round(float(found.max()), 3),
        "worst_record": worst,
        "from_whole": round(float(differences(decoded, whole).max()), 3),
        "repeats": bool(np.array_equal(decoded, again)),
    }
    require(found.max() < MOST, f"an image differs: {seen}")
    require(seen["from_whole"] < MOST_OF_THE_CUT, f"the cut changes an image: {seen}")
    require(seen["repeats"], f"a second epoch differs from the first: {seen}")
    return seen


def damaged(place):
    """Return the errors of damaged records, each of which has to be named."""
    sound = [encoded(photo(SIDE, SIDE, seed=seed), quality=90) for seed in range(8)]
    header = jpeg.header(sound[5])
    at = header.scan_offset
    cases = {
        "no end": sound[5][:-2],
        "half": sound[5][: len(sound[5]) // 2] + b"\xff\xd9",
        "noise": sound[5][:at] + bytes(range(254)) * (len(sound[5][at:]) // 254) + b"\xff\xd9",
    }
    told = {}
    for name, image in cases.items():
        source = source_of_files([*sound[:5], image, *sound[6:]], place.folder / f"bad-{name}")
        try:
            epoch_on_host(loader_of(source, WHOLE, place, batch_size=4))
            told[name] = "decoded without an error"  # as libjpeg-turbo and nvJPEG may
        except ImageError as error:
            told[name] = str(error)[:160]
            require("image_5 " in told[name], f"{name}: another record is named: {told[name]}")
    require("image_5 " in told["no end"], "a JPEG without an end was decoded")
    return told


def under_a_slow_stream(place):
    """Queue slow work on each batch, leave every tenth epoch early; return how many batches."""
    recipe = TrainRecipe(size=place.of(224, 32))
    count = 0
    with imnet.Dataset.open(place.dataset, "train") as dataset:
        source = source_of(dataset)
        with loader_of(source, recipe, place, batch_size=8) as loader:
            sums = [int(batch.images.sum()) for batch in loader.epoch(0)]
            while count < place.of(200, 30):
                late = []
                for batch in loader.epoch(0):
                    slowly(place)
                    late.append(batch.images.sum())
                    count += 1
                    if count % 10 == 0:
                        break
                require([int(one) for one in late] == sums[: len(late)], "a batch was changed")
    return count


def slowly(place):
    """Queue work that is not done when the next batch is asked for."""
    if not place.is_rehearsal:
        import torch

        torch.cuda._sleep(20_000_000)  # cycles: 10 ms


def memory(place):
    """Return the bytes that loaders take of the GPU, one after another, and what stays taken."""
    import torch

    def free():
        gc.collect()
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info()[0]

    with imnet.Dataset.open(place.dataset, "train") as dataset:
        source = source_of(dataset)
        columns = dataset.index
        plan = dali_memory.planned(columns.width, columns.height, threads=8)
        before, taken = free(), []
        for _ in range(5):
            loader = loader_of(source, TrainRecipe(), place, batch_size=64, cut=False)
            next(batches := loader.epoch(0))
            taken.append(before - free())
            del batches
            loader.close()
            del loader
        kept = before - free()
    seen = {"planned": str(plan), "free_before": before, "taken": taken, "kept": kept}
    require(taken[-1] <= 1.1 * taken[0] + (64 << 20), f"they take more and more: {seen}")
    return seen


def out_of_memory(place):
    """Take the GPU's memory, and return the error of a loader that has none left."""
    import torch

    hoard = []
    with imnet.Dataset.open(place.dataset, "train") as dataset:
        source = source_of(dataset)
        for nbytes in (1 << 30, 1 << 26, 1 << 22):
            with contextlib.suppress(torch.OutOfMemoryError):
                while True:
                    hoard.append(torch.empty(nbytes, dtype=torch.uint8, device="cuda"))
        try:
            epoch_on_host(loader_of(source, TrainRecipe(), place, batch_size=128, cut=False))
        except ImageError as error:
            raise AssertionError(f"a record is blamed: {error}") from error
        except RuntimeError as error:
            told = str(error)[:300]
        else:
            told = "there was memory enough"
        hoard.clear()
        torch.cuda.empty_cache()
        images = epoch_on_host(loader_of(source, TrainRecipe(), place, batch_size=16))
        require(len(images) == len(source.label), "the next loader does not work")
    require("memory" in told.lower(), told)
    return told
