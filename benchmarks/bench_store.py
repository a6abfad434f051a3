"""How fast is a loader whose records come from an object store, compared with the same from disk?

224 x 224 pixels, RandomResizedCrop and flip, uint8 batches of 64, from 768 records made of the
photographs of a folder, as in `bench_rivals.py`: ours in `shuffled` and in `block` order, LitData
and MosaicML Streaming, each from the files that its own writer makes, of 16 MB, on the S3 server
nanio of this machine. Each loader has a process of its own, on one core; the server, and what
counts the bytes that it sends, have the others. They take turns, and the median round counts.

    disk     an epoch of the same files in a folder, the faster of two
    opened   until the first epoch from the store can be asked for; not in the others
    cold     that epoch, with an empty cache
    second   the one after it
    warm     the faster of the next two

Every epoch must have every record once, by its label. The page cache is warm, at the server, too:
what is measured is not a disk. The ceiling is the link: all shards of ours by plain reads, 8 MB at
a time in 16 threads. The last lines are the table, in Markdown, and one JSON document.

    pip install '.[cloud,test,torch]' litdata mosaicml-streaming
    python benchmarks/bench_store.py IMAGES_FOLDER WORK_FOLDER [--rounds 3] [--only NAME...]
"""

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # which PYTHONSAFEPATH leaves out

from in_store import FOLDERS, LINK, LOADERS
from in_store.server import environment, serving
from rivals.inputs import make_inputs

import imnet_data
from imnet_data.machine.provenance import processor

BENCHMARKS = Path(__file__).parent
FILE_NBYTES = 16 << 20
FROM_STORE = ("cold", "second", "warm")
PREPARE = """
import importlib, pathlib, sys
importlib.import_module(sys.argv[1]).prepare(*map(pathlib.Path, sys.argv[2:]))
"""


def make_files(images, work, wanted):
    """Return the folder of what is put into the store for some loaders."""
    inputs, _ = make_inputs(images, work)
    if not (inputs / "shards" / "dataset.json").exists():
        options = imnet_data.Options(jpeg="seekable", shard_nbytes=FILE_NBYTES)
        imnet_data.convert(inputs / "folder", inputs / "shards", options=options, force=True)
    for module, folder, _ in (LOADERS[name] for name in wanted):
        out = inputs / folder
        if module != "ours" and not (out / "index.json").exists():
            shutil.rmtree(out, ignore_errors=True)
            words = [sys.executable, "-c", PREPARE, f"rivals.{module}"]
            words += [str(inputs / "folder" / "train"), str(out)]
            subprocess.run(words, check=True, cwd=BENCHMARKS, stdout=sys.stderr)
    return inputs


def run(name, inputs, counting):
    """Return what a loader's process measured by phase, with bytes and requests."""
    words = [sys.executable, "-m", "in_store", name, str(inputs)]
    words = ["taskset", "--cpu-list", str(min(ALL_CORES)), *words]
    process = subprocess.Popen(
        words,
        cwd=BENCHMARKS,
        env=environment(counting.link.port),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    found, before = {}, counting.now()
    for line in process.stdout:
        if not line.startswith('["'):  # what libraries print
            continue
        phase, seconds, images, memory, cpu = json.loads(line)
        now = counting.now()
        nbytes, requests = (late - early for late, early in zip(now, before, strict=True))
        found[phase] = {"seconds": seconds, "images": images, "memory_mb": memory, "cpu": cpu}
        found[phase] |= {"nbytes": nbytes, "requests": requests}
        before = now
        process.stdin.write("\n")
        process.stdin.flush()
    if process.wait():
        raise SystemExit(f"{name}: failed with status {process.returncode}")
    return found


def speed(measured):
    """Return images per second."""
    return measured["images"] / measured["seconds"]


def table(results):
    """Return the lines of the table: medians of the rounds."""
    head = ["loader", "opened, s", *(f"{phase}, of disk" for phase in FROM_STORE)]
    head += ["disk, images/s", "MB sent", "requests", "most memory, MB"]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for name, rounds in results.items():
        middle = [statistics.median(each["opened"]["seconds"] for each in rounds)]
        middle += [
            statistics.median(speed(each[phase]) / speed(each["disk"]) for each in rounds)
            for phase in FROM_STORE
        ]
        cells = [name, *(f"{value:.2f}" for value in middle)]
        cells.append(f"{statistics.median(speed(each['disk']) for each in rounds):,.0f}")
        for key, unit in (("nbytes", 1e6), ("requests", 1)):
            sums = [sum(phase[key] for phase in each.values()) for each in rounds]
            cells.append(f"{statistics.median(sums) / unit:,.0f}")
        memory = statistics.median(each["warm"]["memory_mb"] for each in rounds)
        lines.append(f"| {' | '.join([*cells, f'{memory:,.0f}'])} |")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path, help="folder of photographs, JPEG")
    parser.add_argument("work", type=Path, help="where inputs are kept")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--only", nargs="+", choices=LOADERS, default=[*LOADERS])
    options = parser.parse_args()
    inputs = make_files(options.images, options.work, options.only)
    if len(ALL_CORES) > 1:
        os.sched_setaffinity(0, ALL_CORES - {min(ALL_CORES)})
    results = {name: [] for name in (LINK, *options.only)}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as counting:
        run("put", inputs, counting)
        for number in range(options.rounds):
            for name, rounds in results.items():
                print(f"round {number + 1}: {name}", file=sys.stderr)
                rounds.append(run(name, inputs, counting))
    link = [speed(each["warm"]) for each in results.pop(LINK)]  # of bytes
    sizes = [sum(f.stat().st_size for f in (inputs / each).rglob("*")) for each in FOLDERS]
    print(f"the link alone: {statistics.median(link) / 1e6:,.0f} MB/s", end="; inputs, MB: ")
    print(*(f"{each} {size / 1e6:.0f}" for each, size in zip(FOLDERS, sizes, strict=True)))
    print(*table(results), sep="\n")
    about = {"benchmark": "store", "cpu": processor(), "rounds": options.rounds, "link": link}
    about["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(json.dumps({**about, "results": results}))


ALL_CORES = os.sched_getaffinity(0)

if __name__ == "__main__":
    main()
