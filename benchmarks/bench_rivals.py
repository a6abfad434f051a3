"""How many training images per second does each loader make, on one core and on more?

224 x 224 pixels, RandomResizedCrop and flip, uint8 batches of 64, from the same JPEGs: 768
records made of the photographs of a folder, in the format that each loader reads. One file a rival
in `rivals/`, with its version, its settings and the command that installs it. Each runs in its own
process and where needed in its own virtual environment, pinned to as many cores as are asked for;
they take turns, five rounds, the median counts. The page cache is warm. The ceiling of every loader
that decodes whole images is a bare decode by libjpeg-turbo, on one core: each row has its ratio to
that, and the bytes that it reads of an image.

Before the first round each makes an epoch that is not timed; one without images is refused, and the
line says what to install. After timing, one epoch of each is checked: every record once by its
label, shape and type of the images, and their mean against Pillow's. The pixels of Pillow and of
our loader must agree to the last bit. A rival that cannot be installed, or fails, has the reason in
its line. The last lines are the table, in Markdown, and one JSON document.

    python benchmarks/bench_rivals.py IMAGES_FOLDER WORK_FOLDER --install [--cores 1] [--rounds 5]

`--install` makes the environments that are missing (11 GB); without it, they are used as they are.
"""

import argparse
import datetime
import importlib
import json
import os
import platform
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # which PYTHONSAFEPATH leaves out

from rivals import CEILING, EXACT, REFERENCE, RIVALS, SIZE
from rivals.inputs import make_inputs
from rivals.processes import Unusable, make_ready, run

from imnet_data.bench.machine import Watch, complaints
from imnet_data.machine.provenance import processor

ROUNDS = 5
MEAN_TOLERANCE = 3  # grey levels between means of 768 crops: other resize and decoders
DEVIATIONS = 5  # standard errors of the difference of two means: other crops


def check(name, result, labels, reference):
    """Refuse a result that is not what every rival has to give."""
    count = sum(count for _, count in labels)
    if result["labels"] != labels or result["images_an_epoch"] != [count]:
        raise Unusable("checked: an epoch does not have every record once")
    if name == CEILING:
        return
    if result["shapes"] != [["uint8", SIZE, SIZE, 3]]:
        raise Unusable(f"checked: images are {result['shapes']}")
    colours = zip(result["mean"], reference["mean"], reference["deviation"], strict=True)
    if any(
        abs(one - other) > MEAN_TOLERANCE + DEVIATIONS * deviation * (2 / count) ** 0.5
        for one, other, deviation in colours
    ):
        raise Unusable(f"checked: mean {result['mean']}, Pillow's {reference['mean']}")
    if name in EXACT and result["sha256"] != reference["sha256"]:
        raise Unusable("checked: pixels differ from Pillow's")


def stored_nbytes(folder):
    """Return the size of an input's train split; labels and the like are part of it."""
    root = folder / "train" if (folder / "train").is_dir() else folder
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def table(rivals, results, unusable, *, inputs, count):
    """Return the lines of the table."""
    ceiling = statistics.median(each["images_per_second"] for each in results[CEILING])
    columns = ["loader", "images/s", "of a bare decode", "images a CPU second", "bytes an image"]
    lines = [f"| {' | '.join([*columns, 'set up'])} |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for name, rival in rivals.items():
        if name in unusable:
            lines.append(f"| {rival.label} | | | | | {unusable[name].replace('|', ' ')} |")
            continue
        walls = [each["images_per_second"] for each in results[name]]
        cpu = statistics.median(each["images_per_cpu_second"] for each in results[name])
        nbytes = stored_nbytes(inputs / rival.reads) / count
        middle = statistics.median(walls)
        lines.append(
            f"| {rival.label} | {middle:,.0f} ({min(walls):,.0f} to {max(walls):,.0f}) "
            f"| {middle / ceiling:.2f} | {cpu:,.0f} | {nbytes:,.0f} | {rival.setting} |"
        )
    return lines


def last_document(printed):
    """Return what the last line of a process says."""
    try:
        return json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise Unusable("failed: its last line is no JSON document") from error


def require_both(unusable):
    """End where there is nothing to compare with."""
    for name in (CEILING, REFERENCE):
        if name in unusable:
            raise SystemExit(f"{name}: {unusable[name]}")


def measure(rivals, options, inputs, labels):
    """Return results and reasons, by rival, and what other processes did; rivals take turns."""
    results, unusable = {name: [] for name in rivals}, {}
    for name, rival in rivals.items():
        try:
            make_ready(name, rival, options.work, inputs, may_install=options.install)
        except Unusable as error:
            unusable[name] = str(error)
    require_both(unusable)
    watch = Watch()
    reference_first = sorted(rivals, key=lambda name: name != REFERENCE)
    for number in range(options.rounds):
        for name in reference_first:
            if name in unusable:
                continue
            print(f"round {number + 1}: {name}", file=sys.stderr)
            try:
                cores = options.cores * getattr(rivals[name], "core_factor", 1)
                printed = run(name, rivals[name], options.work, inputs, "--cores", str(cores))
                result = last_document(printed)
                check(name, result, labels, (results[REFERENCE] or [result])[0])
                results[name].append(result)
            except Unusable as error:
                unusable[name] = str(error)
    require_both(unusable)
    return results, unusable, watch.others()


def conditions(options):
    """Return what is to be known of a run, apart from its results."""
    command = f"python benchmarks/bench_rivals.py IMAGES_FOLDER WORK_FOLDER --cores {options.cores}"
    if options.only:
        command += f" --only {' '.join(options.only)}"
    if options.rounds != ROUNDS:
        command += f" --rounds {options.rounds}"
    return {
        "benchmark": "rivals",
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": processor(),
        "machine_cores": os.cpu_count(),
        "cores": options.cores,
        "rounds": options.rounds,
        "python": platform.python_version(),
    }


def report(about, results, lines, others):
    """Print the table with the conditions under which it was made."""
    shares = [
        each["images_per_second"] / each["images_per_cpu_second"] for each in results[CEILING]
    ]
    print("{date}, {cpu}, {cores} of {machine_cores} cores, ".format(**about), end="")
    print("medians of {rounds} rounds; `{command}`".format(**about))
    if min(shares) < 0.95:
        print(
            f"Other work ran beside it: the bare decode had {min(shares):.0%} of its core at times."
        )
    for complaint in complaints(others, load=0, cores=about["machine_cores"]):
        print(f"Warning: {complaint}.")
    if about["rounds"] < ROUNDS:
        print("Fewer than five rounds: take these figures as rough.")
    print("", *lines, "", sep="\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path, help="folder of photographs, JPEG")
    parser.add_argument("work", type=Path, help="where inputs and environments are kept")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of which the median counts")
    parser.add_argument("--only", nargs="+", choices=RIVALS, help="these, ceiling and reference")
    parser.add_argument("--install", action="store_true", help="install what is missing")
    options = parser.parse_args()
    about = conditions(options)
    wanted = {CEILING, REFERENCE, *(options.only or RIVALS)}
    rivals = {name: importlib.import_module(f"rivals.{name}") for name in RIVALS if name in wanted}
    inputs, labels = make_inputs(options.images, options.work)
    results, unusable, others = measure(rivals, options, inputs, labels)
    count = sum(count for _, count in labels)
    lines = table(rivals, results, unusable, inputs=inputs, count=count)
    report(about, results, lines, others)
    for result in (result for rounds in results.values() for result in rounds):
        del result["labels"]
    print(json.dumps({**about, "results": results, "unusable": unusable}))


if __name__ == "__main__":
    main()
