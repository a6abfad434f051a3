"""What does each step cost at N records, in CPU time and memory? Is any more than linear?

Makes a train tarball of N tiny images (1,281,167 by default), each of its own bytes, and takes it
the whole way: convert it to A (webdataset, seekable, 2,300 records per shard) in its parts, open A,
look at a record in its middle, verify it, convert it to B (lmdb), damage one record of A and repair
it from the tarball. Each command runs in a process of its own. CPU time is that of a command and
all its workers, so other work on the machine does not count; memory is the peak of its largest
process. With several numbers of records, the last column is the exponent by which the CPU time
grows from the first to the last, 1 being linear. The last line is one JSON document.

    python benchmarks/bench_scale.py FOLDER [--records N ...] [--workers N] [--keep]
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
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

RECORDS_PER_SHARD = 2_300
STEPS = ("convert", "inspect", "verify", "convert_again", "repair")


def write_tarball(path, count):
    """Write a tarball of a tarball per class, as ILSVRC2012's is."""
    from imnet_data.imagenet import labels

    file = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).save(file, "JPEG")
    start, rest = file.getvalue()[:2], file.getvalue()[2:]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as whole:
        for number, wnid in enumerate(labels.ilsvrc2012_wnids()):
            inner = io.BytesIO()
            for image in range(number, count, 1000):
                # a comment makes the bytes of each image its own
                jpeg = start + b"\xff\xfe\x00\x0a" + b"%08d" % image + rest
                member = tarfile.TarInfo(f"{wnid}_{image}.JPEG")
                member.size = len(jpeg)
                header = member.tobuf(tarfile.USTAR_FORMAT)
                inner.write(header + jpeg + bytes(-len(jpeg) % 512))
            inner.write(bytes(1024))
            member = tarfile.TarInfo(f"{wnid}.tar")
            member.size = inner.tell()
            inner.seek(0)
            whole.addfile(member, inner)
    return len(jpeg)


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


def convert(folder, workers, nbytes):
    from imnet_data.conversion import convert, finish
    from imnet_data.dataset.description import Options

    measuring(convert, "open_any", "scan")
    measuring(convert, "plan_conversion", "plan")
    measuring(convert, "write_shards", "shards")
    measuring(finish, "finish", "finish")
    options = Options(shard_nbytes=RECORDS_PER_SHARD * (2048 + nbytes))
    tarball = folder / "ILSVRC2012_img_train.tar"
    convert.convert([tarball], folder / "A", options=options, workers=workers)


def inspect(folder, workers, nbytes):
    from imnet_data.dataset.opened import Dataset
    from imnet_data.inspection import summary

    with measured("open"), Dataset.open(folder / "A") as dataset:
        key = dataset.index.key[len(dataset) // 2].decode()
    with measured("inspect --record"):
        assert summary.record(folder / "A", key)[0].is_sound


def verify(folder, workers, nbytes):
    from imnet_data.verification import verify

    measuring(verify, "expect", "verify: manifest")
    with measured("verify, all of it"):
        assert not verify.verify(folder / "A", workers=workers)


def convert_again(folder, workers, nbytes):
    from imnet_data.conversion import convert

    with measured("A to B"):
        convert.convert([folder / "A"], folder / "B", format="lmdb", workers=workers)


def repair(folder, workers, nbytes):
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
        tarball = folder / "ILSVRC2012_img_train.tar"
        assert repair.repair(folder / "A", [tarball], found, workers=workers) == [found[0].file]


def take(folder, count, workers):
    """Return what each step costs at `count` records: name -> CPU seconds and MB."""
    folder.mkdir(parents=True)
    nbytes = write_tarball(folder / "ILSVRC2012_img_train.tar", count)
    costs = {}
    for step in STEPS:
        command = [sys.executable, __file__, str(folder), "--step", step]
        command += ["--workers", str(workers), "--nbytes", str(nbytes)]
        output = subprocess.check_output(command, text=True)
        costs |= {name: cost for name, *cost in map(json.loads, output.splitlines())}
    return costs


def report(results):
    counts = list(results)
    print(" " * 22, *(f"{count:>13,} records" for count in counts), "growth" * (len(counts) > 1))
    for step, (first, _) in results[counts[0]].items():
        row = [
            f"{seconds:9.2f} s {mb:7,.0f} MB" for seconds, mb in (r[step] for r in results.values())
        ]
        growth = ""
        if len(counts) > 1:
            ratio = results[counts[-1]][step][0] / first
            growth = f"{np.log(ratio) / np.log(counts[-1] / counts[0]):6.2f}"
        print(f"{step:22}", *row, growth)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, nargs="+", default=[1_281_167])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", action="store_true", help="leave the tarball and the datasets")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--nbytes", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        globals()[args.step](args.folder, args.workers, args.nbytes)
        return
    results = {}
    for count in args.records:
        folder = args.folder / str(count)
        results[count] = take(folder, count, args.workers)
        if not args.keep:
            shutil.rmtree(folder)
    report(results)
    about = {"machine": platform.platform(), "cores": os.cpu_count(), "python": sys.version}
    print(json.dumps({"benchmark": "scale", "workers": args.workers, "costs": results, **about}))


if __name__ == "__main__":
    main()
