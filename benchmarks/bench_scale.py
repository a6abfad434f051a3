"""What does each step cost at N records, in CPU time and memory? Is any more than linear?

Makes an archive of N tiny images in 21,841 classes, as `fall11_whole.tar` has them, each image of
its own bytes, and takes it the whole way: convert it to A (2,910 records per shard, which are 4,880
shards of 14,197,122 records) in its parts, open A, look at a record in its middle, walk an epoch,
read images from all shards, verify it, convert it to B (lmdb), damage one record of A and repair it
from the archive. Each command runs in a process of its own, which may have 1,024 files open. CPU
time is that of a command and all its workers, so other work on the machine does not count. Memory
is the peak of its largest process, and in the rows "all processes" of its processes together: the
sum of their PSS, which counts a page that several share once. With several numbers of records, the
last column is the exponent by which the CPU time grows from the first to the last, 1 being linear.
The last line is one JSON document.

With --replicate, only the first shard is written, and links to it stand for the others: all steps
but "shards" are as large as they are with all images, and take minutes instead of an hour. Then
`verify` reads the manifest alone, and `convert_again` and `repair` have nothing to read.

    python benchmarks/bench_scale.py FOLDER [--records N ...] [--steps NAME ...] [--format NAME]
                                     [--replicate] [--workers N] [--keep]
"""

import argparse
import io
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

RECORDS_PER_SHARD = 2_910
MOST_OPEN_FILES = 1_024
STEPS = ("convert", "inspect", "walk", "verify", "convert_again", "repair")
ARCHIVE = "fall11_whole.tar"
BLOCK = 512
DIGITS = np.frombuffer(b"0123456789", np.uint8)


def write_archive(path, count):
    """Write an archive of an archive per class; return the size of an image."""
    from imnet_data.imagenet import labels

    file = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).save(file, "JPEG")
    # a comment makes the bytes of each image its own
    jpeg = file.getvalue()[:2] + b"\xff\xfe\x00\x0a00000000" + file.getvalue()[2:]
    classes = labels.wnids_of("22k")
    with path.open("wb") as whole:
        for number, wnid in enumerate(classes):
            images = np.arange(number, count, len(classes))
            if len(images):
                inner = members(wnid, images, jpeg)
                member = tarfile.TarInfo(f"{wnid}.tar")
                member.size = inner.nbytes + 2 * BLOCK
                whole.write(member.tobuf(tarfile.USTAR_FORMAT) + inner.tobytes() + bytes(2 * BLOCK))
        whole.write(bytes(2 * BLOCK))
    return len(jpeg)


def members(wnid, images, jpeg):
    """Return a tar's members, uint8[images, bytes], all at once: tarfile takes 30 us for each."""
    member = tarfile.TarInfo(f"{wnid}_00000000.JPEG")
    member.size = len(jpeg)
    header = member.tobuf(tarfile.USTAR_FORMAT)
    row = np.frombuffer(header + jpeg + bytes(-len(jpeg) % BLOCK), np.uint8)
    table = np.tile(row, (len(images), 1))
    digits = DIGITS[images[:, None] // 10 ** np.arange(7, -1, -1) % 10]
    table[:, 10:18] = digits  # of the name
    table[:, BLOCK + 6 : BLOCK + 14] = digits  # of the comment
    total = int(header[148:154], 8) + (digits - ord("0")).sum(axis=1, dtype=np.int64)
    table[:, 148:154] = DIGITS[total[:, None] // 8 ** np.arange(5, -1, -1) % 8]
    return table


def cpu_seconds():
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def peak_mb():
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


@contextmanager
def measured(name):
    """Print what the block costs, as one JSON line."""
    Path("/proc/self/clear_refs").write_text("5")  # begins VmHWM anew
    begin = cpu_seconds()
    yield
    print(json.dumps([name, cpu_seconds() - begin, peak_mb()]), flush=True)


def measuring(module, function, name):
    """Measure all calls of a function."""
    original = getattr(module, function)

    def wrapped(*arguments, **named):
        with measured(name):
            return original(*arguments, **named)

    setattr(module, function, wrapped)


def convert(folder, args):
    from imnet_data.conversion import convert, finish, planning, shards
    from imnet_data.dataset.description import Options

    measuring(planning, "open_any", "scan")
    measuring(planning, "plan_conversion", "plan")
    measuring(shards, "write_shards", "shards")
    measuring(finish, "finish", "finish")
    if args.replicate:
        shards.write_shards = replicating(shards.write_shards)
    options = Options(shard_nbytes=RECORDS_PER_SHARD * (2048 + args.nbytes), classes=("found",))
    convert.convert(
        [folder / ARCHIVE], folder / "A", format=args.format, options=options, workers=args.workers
    )


def replicating(write_shards):
    """Return what writes the first shard, and links to it for the others."""
    from imnet_data.conversion import journal
    from imnet_data.dataset import index_file

    def written(writing, waiting, *arguments, **named):
        first = waiting[0]
        write_shards(writing, waiting[:1], *arguments, **named)
        path, folder = writing.journal(first), writing.stage / first.split
        head, columns = journal.read_head(path), journal.index_of(path)
        for job in waiting[1:]:
            name, other = writing.shard_name(job), writing.journal(job)
            sides = {
                side: side.replace(head.name.partition(".")[0], name.partition(".")[0])
                for side in head.side_files
            }
            for old, new in {head.name: name, **sides}.items():
                (folder / new).hardlink_to(folder / old)
            for suffix in (".manifest", ".identities"):
                other.with_suffix(suffix).hardlink_to(path.with_suffix(suffix))
            with other.with_suffix(".npy").open("wb") as file:
                shard = np.full(head.record_count, job.number, np.int32)
                index_file.write(file, columns._replace(shard=shard))
            files = {new: head.side_files[old] for old, new in sides.items()}
            journal.write_head(other, head._replace(name=name, side_files=files))

    return written


def inspect(folder, args):
    from imnet_data.dataset.opened import Dataset
    from imnet_data.inspection import summary

    with measured("open"), Dataset.open(folder / "A") as dataset:
        key = dataset.index.key[len(dataset) // 2].decode()
    with measured("inspect --record"):
        assert summary.record(folder / "A", key)[0].is_sound


def walk(folder, args):
    """Go through an epoch's batches, and make some of them: each has images of many shards."""
    from imnet_data.dataset.opened import Dataset
    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import source_of
    from imnet_data.transforms import TrainRecipe

    with Dataset.open(folder / "A") as dataset:
        schedule = Schedule(count=len(dataset), batch_size=1024, last="ragged")
        with measured("epoch, its order"):
            order = schedule.epoch_order(0)
            seen = np.zeros(len(dataset), bool)
            for step in range(len(schedule)):
                seen[schedule.batch(order, step)] = True
            assert seen.all()
        del order, seen
        recipe = TrainRecipe(size=32)
        with (
            measured("epoch, 100 batches of 1,024"),
            CpuLoader(source_of(dataset), recipe, schedule, threads=args.workers) as loader,
        ):
            shards = set()
            for step, batch in zip(range(100), loader.epoch(0), strict=False):
                assert len(batch.images) == 1024 or step == len(schedule) - 1
                shards |= set(dataset.index.shard[batch.indices].tolist())
            assert len(shards) == len(dataset.shard_paths) or len(schedule) < 100


def verify(folder, args):
    from imnet_data.dataset import description
    from imnet_data.verification import verify

    measuring(verify, "expect", "verify: manifest")
    if args.replicate:
        about = description.read(folder / "A")
        found = verify.expect(folder / "A/train", about.classes, workers=args.workers)
        assert found.columns.digest == about.splits["train"].digest
        return
    with measured("verify, all of it"):
        assert not verify.verify(folder / "A", workers=args.workers)


def convert_again(folder, args):
    from imnet_data.conversion import convert

    with measured("A to B"):
        convert.convert([folder / "A"], folder / "B", format="lmdb", workers=args.workers)


def repair(folder, args):
    from imnet_data.dataset.opened import Dataset
    from imnet_data.verification import repair
    from imnet_data.verification.shard import Difference

    with Dataset.open(folder / "A") as dataset:
        middle = len(dataset) // 2
        shard, offset = int(dataset.index.shard[middle]), int(dataset.index.offset[middle])
        path = dataset.shard_paths[shard]
    with path.open("r+b") as file:
        file.seek(offset + 100)
        file.write(b"damage")
    found = [Difference(f"train/{path.name}", "is damaged")]
    with measured("repair of one record"):
        source = [folder / ARCHIVE]
        assert repair.repair(folder / "A", source, found, workers=args.workers) == [found[0].file]


def take(folder, count, args):
    """Return what each step costs at `count` records: name -> CPU seconds and MB."""
    folder.mkdir(parents=True, exist_ok=True)
    nbytes = write_archive(folder / ARCHIVE, count)
    costs = {}
    for step in args.steps:
        command = [sys.executable, __file__, str(folder), "--step", step, "--format", args.format]
        command += ["--workers", str(args.workers), "--nbytes", str(nbytes)]
        command += ["--replicate"] * args.replicate
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            peak = Peak(process.pid)
            output = process.stdout.read()
        if process.returncode:
            sys.exit(f"{step} failed")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = {name: cost for name, *cost in map(json.loads, output.splitlines())}
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows[f"{step}, all processes"] = [spent, peak.stop()]
        print(count, json.dumps(rows), file=sys.stderr, flush=True)
        costs |= rows
    return costs


class Peak:
    """The most memory that a process and its descendants have together at any time."""

    def __init__(self, pid):
        self._pid = pid
        self._mb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join()
        return self._mb

    def _watch(self):
        while not self._ended.wait(0.5):
            self._mb = max(self._mb, sum(map(pss_mb, family(self._pid))))


def family(pid):
    """Yield a process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def pss_mb(pid):
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0
    return int(rollup.split("Pss:")[1].split()[0]) / 1024


def report(results):
    counts = list(results)
    print(" " * 28, *(f"{count:>13,} records" for count in counts), "growth" * (len(counts) > 1))
    for step, (first, _) in results[counts[0]].items():
        row = [
            f"{seconds:9.2f} s {mb:7,.0f} MB" for seconds, mb in (r[step] for r in results.values())
        ]
        growth = ""
        if len(counts) > 1:
            ratio = results[counts[-1]][step][0] / first
            growth = f"{np.log(ratio) / np.log(counts[-1] / counts[0]):6.2f}"
        print(f"{step:28}", *row, growth)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, nargs="+", default=[1_281_167])
    parser.add_argument("--steps", choices=STEPS, nargs="+", default=STEPS)
    parser.add_argument("--format", default="webdataset", help="of A")
    parser.add_argument("--replicate", action="store_true", help="write one shard only")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", action="store_true", help="leave the archive and the datasets")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--nbytes", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_OPEN_FILES, MOST_OPEN_FILES))
        globals()[args.step](args.folder, args)
        return
    results = {}
    for count in args.records:
        folder = args.folder / str(count)
        results[count] = take(folder, count, args)
        if not args.keep:
            shutil.rmtree(folder)
    report(results)
    about = {"machine": platform.platform(), "cores": os.cpu_count(), "python": sys.version}
    print(json.dumps({"benchmark": "scale", "workers": args.workers, "costs": results, **about}))


if __name__ == "__main__":
    main()
