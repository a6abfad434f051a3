"""A dataset in a store is verified and repaired as one in a folder is; nothing of it is kept."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import store_kit

from imnet_data import formats
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options

DAMAGED = ("webdataset", "lmdb", "folder")  # extents from start to end, a tree, single files
Placed = Callable[[Path, str], str]


def verify(*words: object, status: int) -> str:
    """Return what `imnet-data verify` prints, in a process of its own, as that is forked."""
    command = [sys.executable, "-m", "imnet_data", "verify", *map(str, words), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout or done.stderr


@pytest.fixture(scope="module")
def small(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small dataset a format."""
    root = tmp_path_factory.mktemp("small")
    for name in formats.FORMATS:
        nbytes = None if name == "beton" else 30_000  # a beton has pages of 8 MiB
        options = Options(limit=12, shard_nbytes=nbytes)
        convert([tarballs], root / name, format=name, options=options, workers=1)
    return {name: root / name for name in formats.FORMATS}


@pytest.fixture
def placed(front: store_kit.Front, store_folder: Path, tmp_path: Path) -> Placed:
    """Make the files of a folder objects of a store, damaged or not; return their URL."""

    def place(root: Path, name: str) -> str:
        name = f"{tmp_path.name}/{name}"
        shutil.copytree(root, store_folder / store_kit.BUCKET / name)
        return f"s3://{store_kit.BUCKET}/{name}"

    return place


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def shards(root: Path, split: str = "train") -> list[Path]:
    said = json.loads((root / "dataset.json").read_text())["splits"][split]["shards"]
    named = [root / split / shard["name"] for shard in said]
    return named if named[0].is_file() else sorted((root / split).rglob("*.JPEG"))


def damage(root: Path) -> None:
    """Do what verify has to say something about, in every file that it knows."""
    first, *others = shards(root)
    flip(first, first.stat().st_size // 2)
    if others:
        others[0].unlink()
        others[1].write_bytes(others[1].read_bytes()[:-100])
    flip(root / "val" / "index.npy", 300)
    flip(root / "val" / "manifest.jsonl.zst", 100)
    (root / "labels.tsv").unlink()
    lines = (root / "SHA256SUMS").read_text().splitlines(keepends=True)
    (root / "SHA256SUMS").write_text("".join(lines[1:]))
    (root / "train" / "train-more.tar").write_bytes(b"more")
    (root / "strange" / "deep").mkdir(parents=True)
    (root / "strange" / "deep" / "file").write_bytes(b"")


def test_what_is_sound_and_what_is_damaged_is_said_in_the_same_lines(
    small: dict[str, Path], placed: Placed, tmp_path: Path
) -> None:
    roots, urls = [], []
    for name, root in small.items():
        roots.append(root)
        urls.append(placed(root, f"{name}-sound"))
    for name in DAMAGED:
        damaged = tmp_path / f"{name}-damaged"
        shutil.copytree(small[name], damaged)
        damage(damaged)
        roots.append(damaged)
        urls.append(placed(damaged, damaged.name))
    here = verify(*roots, "--decode", status=1)
    there = verify(*urls, "--decode", status=1)
    for root, url in zip(roots, urls, strict=True):
        there = there.replace(url, str(root))
    assert sorted(there.splitlines()) == sorted(here.splitlines())
    assert here.count(": sound\n") == len(small)
    assert here.count(" differences\n") == len(DAMAGED)


def test_each_shard_comes_once_and_nothing_is_kept(
    small: dict[str, Path],
    placed: Placed,
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roots = [small["webdataset"], small["beton"]]
    urls = [placed(root, root.name) for root in roots]
    monkeypatch.setenv("TMPDIR", str(tmp_path / "stage"))
    (tmp_path / "stage").mkdir()
    seen = set[str]()

    def fault(method: str, path: str) -> str:
        seen.update(name for _, _, names in os.walk(tmp_path / "stage") for name in names)
        return ""

    front.fault = fault
    said = json.loads(verify(*urls, "--json", status=0))
    assert said == {url: {"sound": True, "differences": [], "repaired": []} for url in urls}
    assert {"dataset.json", "manifest.jsonl.zst", "index.npy"} < seen
    assert not [name for name in seen if name.endswith((".tar", ".idx", ".beton"))]
    read = Counter[str]()
    for path, start, stop in front.ranges:
        read[path] += stop - start
        assert stop - start <= 16 << 20
    sizes = [path.stat().st_size for root in roots for path in shards(root)]
    assert max(sizes) > 16 << 20  # more than one piece
    whole = [read[path] for path in read if "/train/train" in path and not path.endswith(".idx")]
    assert all(
        0 <= have - size < 1_000 for have, size in zip(sorted(whole), sorted(sizes), strict=True)
    )
    assert not [*(tmp_path / "stage").iterdir()]


def test_two_places_are_compared_by_their_records(
    small: dict[str, Path], placed: Placed, tarballs: Path, tmp_path: Path
) -> None:
    url = placed(small["lmdb"], "lmdb")
    options = Options(limit=11, shard_nbytes=30_000)
    convert([tarballs], tmp_path / "other", format="mds", options=options, workers=1)
    verify(url, "--against", small["folder"], status=0)
    here = verify(small["lmdb"], "--against", tmp_path / "other", status=1)
    there = verify(url, "--against", tmp_path / "other", status=1)
    assert there.replace(url, str(small["lmdb"])) == here
    assert here.count(f"is not in {tmp_path / 'other'}") == 2  # of train and val; test has fewer
    assert f"is not in {url}" not in verify(small["folder"], "--against", url, status=0)


@pytest.mark.parametrize("name", ["webdataset", "folder"])
def test_what_is_repaired_is_sent_and_nothing_else(
    small: dict[str, Path],
    placed: Placed,
    front: store_kit.Front,
    store_folder: Path,
    tarballs: Path,
    tmp_path: Path,
    name: str,
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(small[name], damaged)
    first, second, *_ = shards(damaged)
    flip(first, first.stat().st_size // 2)
    second.unlink()
    flip(damaged / "dataset.json", 1000)
    (damaged / "val" / "index.npy").unlink()
    url = placed(damaged, name)
    source = placed(tarballs, "tarballs") if name == "webdataset" else tarballs
    said = verify(url, "--repair", source, status=0).splitlines()
    assert said.pop() == f"{url}: sound"
    assert len(said) == 4
    put = {path.partition("?")[0] for method, path in front.requests if method == "PUT"}
    there = store_folder / store_kit.BUCKET / tmp_path.name / name
    prefix = f"/{store_kit.BUCKET}/{tmp_path.name}/{name}/"
    assert {f"{url}/{path.removeprefix(prefix)}: rebuilt" for path in put} == {*said}
    for path in small[name].rglob("*"):
        if path.is_file():
            assert (there / path.relative_to(small[name])).read_bytes() == path.read_bytes()


def test_a_dataset_in_a_store_is_a_source_of_repairs_whatever_labels_it_was_made_from(
    placed: Placed, tarballs: Path, tmp_path: Path
) -> None:
    options = Options(limit=12, shard_nbytes=30_000, labels="sorted")
    convert([tarballs], tmp_path / "made", options=options, workers=1)
    damaged = shutil.copytree(tmp_path / "made", tmp_path / "damaged")
    shards(damaged)[0].unlink()
    said = verify(damaged, "--repair", placed(tmp_path / "made", "made"), status=0)
    assert said.splitlines() == [f"{shards(damaged)[0]}: rebuilt", f"{damaged}: sound"]


def test_what_cannot_be_proven_is_not_sent(
    small: dict[str, Path], placed: Placed, front: store_kit.Front, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(small["tfrecord"], damaged)
    flip(shards(damaged)[0], 2000)
    flip(shards(damaged, "val")[0], 2000)
    url = placed(damaged, "tfrecord")
    other = shutil.copytree(small["folder"] / "val", tmp_path / "val")
    said = verify(url, "--repair", other, status=1)
    assert len(said.splitlines()) == 1, said
    assert not [path for method, path in front.requests if method in ("PUT", "POST")]


def test_what_passes_changes_no_verdict_and_what_stays_is_one_line(
    small: dict[str, Path], placed: Placed, front: store_kit.Front
) -> None:
    url = placed(small["webdataset"], "webdataset")
    lock, counts, faults = threading.Lock(), Counter[str](), list[str]()
    kinds = ["503", "reset", "slow", "short", "byte"]

    def passing(method: str, path: str) -> str:
        with lock:
            counts[path] += method == "GET"
            if "list-type=2" in path:
                faults.append("late")  # it lists nothing yet
                return faults[-1]
            if method == "GET" and counts[path] == 1:
                faults.append(kinds[len(faults) % len(kinds)])
                return "" if path.endswith("SHA256SUMS") else faults[-1]
        return ""

    front.fault = passing
    assert verify(url, status=0) == f"{url}: sound\n"
    assert len(faults) > 2 * len(kinds)
    assert "late" in faults
    begun = threading.Event()

    def staying(method: str, path: str) -> str:
        if "train-00000" in path:
            begun.set()
        return "403" if begun.is_set() else ""

    front.fault = staying
    said = verify(url, status=1)
    assert said.startswith(f"Error: {url}/")
    assert "access is denied" in said
    assert len(said.splitlines()) == 1
    front.fault = lambda method, path: "byte" if path.endswith("train-000000.tar") else ""
    said = verify(url, status=1)
    assert f"{url}/train/train-000000.tar: its sha256 is not the one in SHA256SUMS" in said


def test_what_needs_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    for option in ("--readers", "--move-strays"):
        said = verify("s3://user:password@bucket/x?sig=1", option, status=1)
        assert said.startswith(f"Error: {option} is for folders, and s3://bucket/x is a URL")
        assert len(said.splitlines()) == 1


def test_a_process_that_has_read_from_a_store_can_verify_one(
    small: dict[str, Path], placed: Placed
) -> None:
    code = (
        "import sys, imnet_data; from imnet_data.storage.store import open_store\n"
        "assert open_store(sys.argv[1]).nbytes('dataset.json')\n"
        "print(imnet_data.verify(sys.argv[1], workers=2))\n"
    )
    words = [sys.executable, "-c", code, placed(small["mds"], "mds")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr
