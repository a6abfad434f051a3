"""Runs the sections, each in a process of its own, for as long as there is time.

python -m gpu_kit --out FOLDER [--rehearse] [--photographs FOLDER] [--sections A B ...]
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from gpu_kit.checks import Checks
from gpu_kit.place import Place

# each with the seconds that it may take on a GPU
SECTIONS = {
    "environment": 60,
    "transfer": 60,
    "augmentation": 45,
    "training": 150,
    "speed": 90,
    "dali": 120,
    "dali_speed": 60,
}
IN_REHEARSAL = 3600  # instead, as it may have to wait for its cores


def main():
    """Run all sections, or the one that `--only` says; the exit status is 1 if one fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--rehearse", action="store_true", help="do what a CPU can do")
    parser.add_argument("--photographs", type=Path, help="a folder of JPEGs")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--until", type=float, default=0, help="time at which all is to end")
    parser.add_argument("--only", choices=SECTIONS, help="a section, in this process")
    options = parser.parse_args()
    device = "cpu" if options.rehearse else "cuda"
    place = Place(device, options.out.absolute() / "data", options.photographs)
    if options.only:
        importlib.import_module(f"gpu_kit.{options.only}").run(Checks(options.only), place)
        return
    place.folder.mkdir(parents=True, exist_ok=True)
    lines = [line for name in options.sections for line in section(name, options)]
    failed = [line for line in lines if line["ok"] is False]
    counts = {"true": 0, "false": 0, "null": 0}
    for line in lines:
        counts[json.dumps(line["ok"])] += 1
    print(json.dumps({"summary": counts, "failed": [line["check"] for line in failed]}))
    sys.exit(1 if failed else 0)


def section(name, options):
    """Yield the lines of a section, which are printed and kept as they come."""
    seconds = IN_REHEARSAL if options.rehearse else SECTIONS[name]
    if options.until:
        seconds = min(seconds, options.until - time.time())
    command = [sys.executable, "-m", "gpu_kit", "--out", str(options.out), "--only", name]
    command += ["--rehearse"] * options.rehearse
    if options.photographs:
        command += ["--photographs", str(options.photographs)]
    began = time.perf_counter()
    if seconds < 5:
        yield told(options, name, "the section is run", None, why="there was no time left")
        return
    errors = options.out / f"{name}.err"
    with errors.open("w") as file:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", f"{seconds:.0f}", *command],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env=os.environ | ({"OMP_NUM_THREADS": "1"} if options.rehearse else {}),
        )
        for text in process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                continue  # a library's own words
            yield kept(options, line)
        status = process.wait()
    end = {"seconds": round(time.perf_counter() - began, 1)}
    if status:
        end["error"] = f"exit status {status}: " + errors.read_text()[-400:]
    yield told(options, name, "the section ran to its end", status == 0, **end)


def told(options, name, check, ok, **facts):
    """Print a line of our own about a section."""
    line = {"section": name, "check": check, "ok": ok, **facts}
    return kept(options, line)


def kept(options, line):
    """Print a line, add it to results.jsonl, and return it."""
    text = json.dumps(line)
    print(text, flush=True)
    with (options.out / "results.jsonl").open("a") as file:
        file.write(text + "\n")
    return line


if __name__ == "__main__":
    main()
