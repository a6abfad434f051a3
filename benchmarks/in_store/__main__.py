"""Measures one loader in this process: `python -m in_store NAME INPUTS`, or puts inputs: `put`.

After each phase a line says what was measured, and an empty line is waited for, so that nothing is
asked of the store while its requests are counted.
"""

import argparse
import importlib
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imnet_data.storage.store import open_store
from in_store import BUCKET, FOLDERS, LINK, LOADERS

PIECE_NBYTES = 8 << 20
DEPTH = 16


def say(phase, seconds, images):
    """Tell what was measured, with the most memory until now."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([phase, seconds, images, memory, time.process_time()]), flush=True)
    sys.stdin.readline()


def timed(epoch, numbers):
    """Return seconds and images of some epochs, each of which has every record once."""
    seconds, images = 0.0, 0
    for number in numbers:
        found, began = Counter(), time.perf_counter()
        for _, labels in epoch(number):
            found.update(labels.tolist())
        seconds += time.perf_counter() - began
        images += sum(found.values())
        if len({*found.values()}) != 1:
            raise SystemExit(f"epoch {number}: does not have every record once")
    return seconds, images


def measure(name, inputs):
    """Measure a loader from the store, and the same from a folder."""
    module, folder, options = LOADERS[name]
    rival = importlib.import_module(f"rivals.{module}")
    epoch = rival.batches(inputs / folder, 1, **options)  # imports what it needs, too
    timed(epoch, [0])
    say("disk", *min(timed(epoch, [number]) for number in (1, 2)))
    with tempfile.TemporaryDirectory() as cache:
        began = time.perf_counter()
        epoch = rival.batches(f"{BUCKET}/{folder}", 1, cache=Path(cache), **options)
        say("opened", time.perf_counter() - began, 0)
        say("cold", *timed(epoch, [0]))
        say("second", *timed(epoch, [1]))
        say("warm", *min(timed(epoch, [number]) for number in (2, 3)))


def measure_link(inputs):
    """Measure plain reads of all shards in large ranges, once the connections are there."""
    store = open_store(BUCKET)
    ranges = [
        (path.relative_to(inputs).as_posix(), start, min(PIECE_NBYTES, size - start))
        for path in sorted((inputs / "shards" / "train").glob("*.tar"))
        for size in [path.stat().st_size]
        for start in range(0, size, PIECE_NBYTES)
    ]
    say("opened", 0.0, 0)
    with ThreadPoolExecutor(DEPTH) as pool:
        for phase in ("cold", "warm"):
            began = time.perf_counter()
            nbytes = sum(pool.map(lambda each: len(store.read(*each)), ranges))
            say(phase, time.perf_counter() - began, nbytes)


def put(inputs):
    """Put all inputs into the bucket."""
    store = open_store(BUCKET)
    files = [path for each in FOLDERS for path in (inputs / each).rglob("*") if path.is_file()]
    for path in files:
        store.write(path.relative_to(inputs).as_posix(), path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=[*LOADERS, LINK, "put"])
    parser.add_argument("inputs", type=Path)
    options = parser.parse_args()
    if options.name == "put":
        put(options.inputs)
    elif options.name == LINK:
        measure_link(options.inputs)
    else:
        measure(options.name, options.inputs)


if __name__ == "__main__":
    main()
