"""What does the cut in the compressed bytes gain, where DALI decodes: on a GPU, or on the CPU?

224 x 224 pixels, RandomResizedCrop and flip, uint8, of the train split of a dataset that was
converted with `--jpeg seekable --format webdataset`. "cut" and "whole" are DaliLoader with and
without the cut. The rival is DALI alone: its webdataset reader and `image_random_crop`. "cpu" is
our CPU loader, copied to the GPU where there is one.

Each runs in its own process, pinned to as many cores as are asked for; they take turns, five
rounds, the median counts. After timing, the pixels of "cut" and "whole" are compared: the same on
the CPU, a mean difference below one level on a GPU. The last line is one JSON document.

    python benchmarks/bench_dali.py DATASET [--device cuda] [--threads 1] [--rounds 5]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
from nvidia.dali import Pipeline, fn, types

from imnet_data.dataset.opened import Dataset
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.dali import DaliLoader
from imnet_data.loaders.dali_graph import decode_options
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.transforms import TrainRecipe

RIVALS = ["image_random_crop", "whole", "cut", "cpu"]
RECIPE = TrainRecipe()
SECONDS = 2.0  # at least, for each measurement


def dali_alone(dataset, options):
    """Return a function that gives the batches of an epoch, as many as the others have."""
    paths = [str(path) for path in dataset.shard_paths]
    indices = [str(path.with_suffix(".idx")) for path in dataset.shard_paths]
    device_id = None if options.device == "cpu" else 0
    pipeline = Pipeline(options.batch_size, options.threads, device_id, 1, prefetch_queue_depth=2)
    with pipeline:
        jpegs = fn.readers.webdataset(
            paths=paths, index_paths=indices, ext=["jpg"], random_shuffle=True
        )
        widths, heights = dataset.index.width, dataset.index.height
        decode = decode_options(widths, heights, device_id=device_id, threads=options.threads)
        images = fn.decoders.image_random_crop(jpegs, random_area=list(RECIPE.scale), **decode)
        images = fn.resize(images, size=[RECIPE.size] * 2, interp_type=types.INTERP_LINEAR)
        pipeline.set_outputs(fn.flip(images, horizontal=fn.random.coin_flip()))

    def epoch(_):
        for _ in range(len(dataset) // options.batch_size):
            (batch,) = pipeline.run()
            yield batch.as_array() if device_id is None else from_gpu(batch)

    return epoch


def from_gpu(batch):
    """Return DALI's batch as a tensor of torch."""
    from torch.utils.dlpack import from_dlpack

    return from_dlpack(batch.as_tensor())


def loader_of(rival, dataset, options):
    """Return a loader of ours."""
    source = source_of(dataset)
    schedule = Schedule(count=len(dataset), batch_size=options.batch_size)
    if rival == "cpu":
        allocate = None
        if options.device != "cpu":
            from imnet_data.loaders.device import pinned as allocate
        return CpuLoader(source, RECIPE, schedule, threads=options.threads, allocate=allocate)
    return DaliLoader(
        source,
        RECIPE,
        schedule,
        device=options.device,
        threads=options.threads,
        cut=rival == "cut",
        hw_decoder_load=options.hw_decoder_load,
    )


def epochs_of(rival, dataset, options):
    """Return a function that gives the images of each batch of an epoch, on the device."""
    if rival == "image_random_crop":
        return dali_alone(dataset, options)
    loader = loader_of(rival, dataset, options)
    if rival != "cpu" or options.device == "cpu":
        return lambda number: (batch.images for batch in loader.epoch(number))
    return lambda number: copied(loader.epoch(number), options.device)


def copied(batches, device):
    """Yield the images of batches on a GPU, copied from pinned memory."""
    import torch

    for batch in batches:
        images = torch.from_numpy(batch.images)
        assert images.is_pinned()
        copy = images.to(device, non_blocking=True)
        torch.cuda.current_stream().synchronize()  # before the loader may use its memory again
        yield copy


def measure(rival, options):
    """Return images per second of whole epochs, the first one not counted, and per CPU second."""
    with Dataset.open(options.dataset, "train") as dataset:
        epoch = epochs_of(rival, dataset, options)
        wait(epoch(0), options)
        count, number, start, cpu_start = 0, 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < SECONDS:
            number += 1
            count += wait(epoch(number), options)
        return {
            "images_per_second": count / (time.perf_counter() - start),
            "images_per_cpu_second": count / (time.process_time() - cpu_start),
        }


def wait(batches, options):
    """Take all batches, wait until the device has them, and return how many images they have."""
    count = sum(len(batch) for batch in batches)
    if options.device != "cpu":
        import torch

        torch.cuda.synchronize()
    return count


def difference(options):
    """Return the mean and the greatest difference of "cut" and "whole" over an epoch, in levels."""
    with Dataset.open(options.dataset, "train") as dataset:
        pairs = zip(
            *(loader_of(rival, dataset, options).epoch(0) for rival in ("cut", "whole")),
            strict=True,
        )
        differences = [np.abs(host(cut.images) - host(whole.images)) for cut, whole in pairs]
    return float(np.mean(differences)), int(np.max(differences))


def host(images):
    """Return images as int16 on the CPU."""
    return (images if isinstance(images, np.ndarray) else images.cpu().numpy()).astype(np.int16)


def in_own_process(rival, arguments):
    """Return what `measure` gives in a new process."""
    command = [sys.executable, __file__, *arguments, "--run", rival]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Measure all rivals, print a line each and the document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", help="the folder of a seekable webdataset")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of each loader, and cores")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--hw-decoder-load", type=float, default=0.65)
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--run", choices=RIVALS, help="one rival; for itself")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads :])
    if options.run:
        print(json.dumps(measure(options.run, options)))
        return
    rounds = [
        {rival: in_own_process(rival, sys.argv[1:]) for rival in RIVALS}
        for _ in range(options.rounds)
    ]
    mean, most = difference(options)
    if mean >= (1 if options.device != "cpu" else 1e-9):
        raise SystemExit(f"pixels with and without the cut differ by {mean} levels, at most {most}")
    document = {**vars(options), "difference": [mean, most], "rounds": rounds}
    for unit in ("images_per_second", "images_per_cpu_second"):
        speeds = {
            rival: statistics.median(turn[rival][unit] for turn in rounds) for rival in RIVALS
        }
        for rival, value in speeds.items():
            share = value / speeds["image_random_crop"]
            print(f"{rival}: {value:.0f} {unit}, {share:.2f} times DALI alone")
        document[unit] = speeds
    print(json.dumps(document))


if __name__ == "__main__":
    main()
