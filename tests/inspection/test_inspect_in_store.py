"""Of a dataset in a store, `inspect` fetches what it needs, and shows what it shows of a folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import store_kit

Got = list[str]


def inspect(*words: object, status: int = 0) -> str:
    command = [sys.executable, "-m", "imnet_data", "inspect", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stdout or done.stderr


def fetched(front: store_kit.Front) -> Got:
    """Return the names of the objects that were sent, and forget them."""
    gets = [path.split("/", 3)[3] for method, path in front.requests if method == "GET"]
    front.requests.clear()
    return sorted(gets)


def test_a_summary_needs_the_description_and_the_indexes(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front
) -> None:
    url, root = in_store["webdataset"], made["webdataset"]
    assert inspect(url) == inspect(root)
    small = ["SHA256SUMS", "dataset.json", *(f"{s}/index.npy" for s in ("test", "train", "val"))]
    assert fetched(front) == small
    assert front.sent_nbytes == sum((root / name).stat().st_size for name in small)
    assert inspect(url, "--verdict", "plain") == inspect(root, "--verdict", "plain")
    assert fetched(front) == small


@pytest.mark.parametrize("name", ["webdataset", "lmdb", "folder"])
def test_a_record_needs_a_manifest_and_its_own_bytes(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front, name: str
) -> None:
    url, root = in_store[name], made[name]
    counts: dict[str, int] = {}

    def fault(method: str, path: str) -> str:
        shard = not path.endswith((".zst", ".npy", ".json", "SHA256SUMS"))
        counts[path] = counts.get(path, 0) + (method == "GET")
        return "byte" if shard and counts[path] == 1 else ""

    front.fault = fault  # what arrives wrong is asked for again
    assert inspect(url, "--record", "5") == inspect(root, "--record", "5")
    small = {"SHA256SUMS", "dataset.json", "train/manifest.jsonl.zst"}
    small |= {f"{split}/index.npy" for split in ("test", "train", "val")}
    got = fetched(front)
    assert small < {*got}
    assert len(got) == len(small) + 2
    assert front.sent_nbytes < sum((root / one).stat().st_size for one in small) + 20_000


def test_what_is_not_there_or_needs_images_is_one_line(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path
) -> None:
    said = inspect("s3://bucket/nothing", status=1)
    assert said.startswith("Error: s3://bucket/nothing: there is no such object")
    said += inspect(in_store["lmdb"], "--html", tmp_path / "page.html", status=1)
    assert "--html does not go with the URL s3://bucket/lmdb" in said
    front.fault = lambda method, path: "byte" if path.endswith("val/index.npy") else ""
    said += inspect(in_store["lmdb"], status=1)
    assert "s3://bucket/lmdb/val/index.npy: its bytes are not those of SHA256SUMS" in said
    assert len(said.splitlines()) == 3


def test_a_source_in_a_store_is_shown_too(
    tarballs: Path, store_folder: Path, front: store_kit.Front, tmp_path: Path
) -> None:
    shutil.copytree(tarballs, store_folder / store_kit.BUCKET / tmp_path.name)
    url = f"s3://{store_kit.BUCKET}/{tmp_path.name}"
    assert inspect(url).replace(url, str(tarballs)) == inspect(tarballs)
