"""Hostile datasets end in an ImnetError; by hand, `fuzz_datasets.py` goes on for longer."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import fuzz_datasets
import pytest

from imnet_data.conversion.convert import convert
from imnet_data.dataset import description
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError, ManifestError, Stopped
from imnet_data.machine.progress import Step

FUZZER = Path(__file__).parent / "fuzz_datasets.py"


def test_hostile_datasets_end_in_an_error_of_ours(made: dict[str, Path]) -> None:
    # the last two are one of the kinds each that ended in a traceback
    for first, count in ((0, 8), (65, 1), (97, 1)):
        words = [sys.executable, str(FUZZER), str(made["lmdb"]), str(first), str(count)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "0 faults\n"), done.stdout + done.stderr


def test_a_fault_is_seen(made: dict[str, Path]) -> None:
    program = (
        "import sys, pathlib, tempfile; sys.path.insert(0, sys.argv[1]); import fuzz_datasets as f;"
        "f.readers = lambda root: {'broken': lambda: 1 // 0};"
        "print(len(f.fuzz(pathlib.Path(sys.argv[2]), pathlib.Path(tempfile.mkdtemp(dir=sys.argv[3])"
        "), seed=0, rounds=2)))"
    )
    root = made["lmdb"]
    words = [sys.executable, "-c", program, str(FUZZER.parent), str(root), str(root.parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "10\n"


def test_hostile_journals_are_written_again(tarballs: Path, tmp_path: Path) -> None:
    options = Options(shard_nbytes=64_000)
    root, whole = tmp_path / "out", tmp_path / "whole"
    convert([tarballs], whole, format="lmdb", options=options, split="val", workers=1)
    wanted = (whole / "SHA256SUMS").read_bytes()
    draw = random.Random(0)
    for number in range(12):
        with pytest.raises(Stopped):  # when all its shards are written
            convert(
                [tarballs],
                root,
                format="lmdb",
                options=options,
                split="val",
                workers=1,
                progress=stop_at_the_manifest,
            )
        journals = sorted(path for path in (root / ".part/journals").iterdir() if path.is_file())
        damaged = journals[number % len(journals)]
        change = draw.choice((fuzz_datasets.bytes_changed, fuzz_datasets.json_changed))
        if damaged.suffix != ".json":
            change = fuzz_datasets.bytes_changed
        damaged.write_bytes(change(damaged.read_bytes(), draw))
        convert([tarballs], root, format="lmdb", options=options, split="val", workers=1)
        assert (root / "SHA256SUMS").read_bytes() == wanted
        shutil.rmtree(root)


def stop_at_the_manifest(step: Step) -> None:
    if step.task.startswith("manifest"):
        raise Stopped("stopped")


@pytest.mark.parametrize("content", [b"", b"5", b"[]", b"{", b"[" * 100_000])
def test_a_damaged_plan_is_one_error(tarballs: Path, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Stopped):
        convert([tarballs], tmp_path, split="val", workers=1, progress=stop_at_the_manifest)
    (tmp_path / ".part" / "plan.json").write_bytes(content)
    with pytest.raises(ConvertError, match=r"plan\.json: is damaged|with other"):
        convert([tarballs], tmp_path, split="val", workers=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", [{}]),
        ("classes", ["n01440764", "n01440764"]),
        ("name", 5),
        ("splits", {}),
        ("sources", [{"name": "a", "nbytes": "5"}]),
        ("sources", [{"name": "a", "nbytes": 10**400}]),
        ("left_out", {"why": True}),
        ("options", {"seed": [[]]}),
    ],
)
def test_a_description_with_another_kind_of_value_is_damaged(
    made: dict[str, Path], tmp_path: Path, name: str, value: object
) -> None:
    document = json.loads((made["lmdb"] / "dataset.json").read_bytes())
    (tmp_path / "dataset.json").write_text(json.dumps({**document, name: value}))
    with pytest.raises(ManifestError, match=r"dataset\.json: damaged \("):
        description.read(tmp_path)
