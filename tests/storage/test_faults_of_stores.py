"""What networks and stores do: the outcome is the same bytes, or one line that names the object."""

import hashlib
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import store_kit

import imnet_data
from imnet_data import TrainRecipe, open_loader
from imnet_data.dataset import layout
from imnet_data.errors import StorageError
from imnet_data.loaders.cpu import CpuLoader

RECIPE = TrainRecipe(size=32)


@pytest.fixture(autouse=True)
def by_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let records be read by themselves, as those of large datasets are."""
    monkeypatch.setattr("imnet_data.loaders.remote_ranges._SMALL_NBYTES", 0)


def opened(url: str | Path, cache: Path | None = None) -> CpuLoader:
    return open_loader(url, RECIPE, batch_size=16, threads=1, cache=cache)


def epoch_of(loader: CpuLoader, number: int = 0, start: int = 0) -> list[np.ndarray]:
    return [batch.images.copy() for batch in loader.epoch(number, start=start)]


@pytest.fixture(scope="module")
def expected(made: dict[str, Path]) -> list[np.ndarray]:
    with opened(made["webdataset"]) as loader:
        return epoch_of(loader)


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    assert first
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


@pytest.mark.parametrize("what", ["503", "reset", "slow", "short", "byte"])
def test_a_fault_that_passes_changes_nothing(
    in_store: dict[str, str],
    front: store_kit.Front,
    tmp_path: Path,
    expected: list[np.ndarray],
    what: str,
) -> None:
    def choose(method: str, path: str, number: int) -> str:
        return what if method == "GET" and ".tar" in path and number in (1, 5) else ""

    with opened(in_store["webdataset"], tmp_path) as loader:
        front.fault = faults = store_kit.Some(choose)
        assert same(epoch_of(loader), expected)
    assert faults.done[what] > 2


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("503", r"cannot be reached after \d attempts \(status 503\)"),
        ("reset", r"cannot be reached after \d attempts"),
        ("short", r"cannot be reached after \d attempts"),
        ("byte", r"times in a row; copy the dataset there again"),
        ("403", "access is denied; check the credentials"),
    ],
)
def test_a_fault_that_stays_is_one_line_that_names_the_object_and_no_secret(
    in_store: dict[str, str],
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    said: str,
) -> None:
    cloud = pytest.importorskip("imnet_data.storage.cloud")
    monkeypatch.setattr(cloud, "_WAIT_SECONDS", 0.001)
    with opened(in_store["webdataset"], tmp_path) as loader:
        front.fault = lambda method, path: what if ".tar" in path and method == "GET" else ""
        with pytest.raises(StorageError, match=said) as caught:
            epoch_of(loader)
    text = str(caught.value)
    assert text.startswith("s3://bucket/webdataset/train/train-")
    assert len(text.splitlines()) == 1
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert store_kit.SECRET not in text
    assert store_kit.KEY not in text


def test_a_store_that_does_not_answer_is_told_of_and_then_an_error(
    in_store: dict[str, str],
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cloud = pytest.importorskip("imnet_data.storage.cloud")
    for name, seconds in (("WAIT", 0.001), ("RETRY", 0), ("TOLD", 0.1), ("PATIENCE", 1)):
        monkeypatch.setattr(cloud, f"_{name}_SECONDS", seconds)
    monkeypatch.setattr(cloud, "_TIMEOUT", "400ms")
    front.latency_seconds = 2
    store = cloud.CloudStore(in_store["webdataset"])
    with pytest.raises(StorageError, match=r"dataset.json: cannot be reached after [23] attempts"):
        store.nbytes("dataset.json")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) in (2, 3)
    assert all(line.endswith("; asking again") for line in said)
    assert all(line.startswith("s3://bucket/webdataset/dataset.json: does") for line in said)


def test_a_dataset_that_is_not_there_or_denied_is_one_line(
    in_store: dict[str, str],
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(StorageError, match=r"^s3://bucket/nothing/SHA256SUMS: there is no such"):
        opened("s3://bucket/nothing", tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(StorageError, match=r"SHA256SUMS: access is denied") as caught:
        opened(in_store["webdataset"], tmp_path)
    assert "another-secret" not in str(caught.value)


def test_a_damaged_small_file_is_refused(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path
) -> None:
    front.fault = lambda method, path: "byte" if "index.npy" in path else ""
    with pytest.raises(StorageError, match=r"index\.npy: its bytes are not those of SHA256SUMS"):
        opened(in_store["webdataset"], tmp_path)
    assert not list(tmp_path.rglob("index.npy*"))


def test_a_full_cache_disk_is_one_line(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path
) -> None:
    """With files no larger than a part of a shard, as where a disk or a quota is full."""
    code = (
        "import resource, sys; from imnet_data import Dataset, ImnetError\n"
        "dataset = Dataset.open(sys.argv[1], 'train', cache=sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
        "try: dataset[0]\n"
        "except ImnetError as error: print(error)\n"
    )
    words = [sys.executable, "-c", code, in_store["lmdb"], str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert re.fullmatch(
        rf"{tmp_path}/shards/\w+/train/train-000000.mdb: cannot be written to the cache "
        r"\(File too large\); make room there, or pass a smaller cache_size\n",
        done.stdout,
    )
    assert not list((tmp_path / "shards").rglob("*.part"))


_FILL = """
import sys
from imnet_data import TrainRecipe, open_loader
with open_loader(sys.argv[1], TrainRecipe(size=32), batch_size=16, cache=sys.argv[2]) as loader:
    print("opened", flush=True)
    for epoch in range(100):
        for _ in loader.epoch(epoch):
            pass
"""


def test_killed_at_twenty_moments_the_cache_has_only_whole_files(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    expected: list[np.ndarray],
) -> None:
    front.fault = lambda method, path: "slow" if ".tar" in path else ""
    listed = dict(layout.read_sums(made["webdataset"] / "SHA256SUMS"))
    chosen, seen = random.Random(3), 0
    words = [sys.executable, "-c", _FILL, in_store["webdataset"], str(tmp_path)]
    for moment in range(20):
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"opened\n"
        time.sleep(chosen.uniform(0, 0.3))
        while moment == 10 and not list((tmp_path / "shards").glob("*/train/*.tar")):
            time.sleep(0.01)
        assert process.poll() is None
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        for path in (tmp_path / "shards").glob("*/train/*.tar"):
            name = "/".join(path.parts[-2:])
            assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]
            seen += 1
    assert seen
    front.fault = lambda method, path: ""
    with opened(in_store["webdataset"], tmp_path) as loader:
        assert same(epoch_of(loader), expected)


def test_no_message_nor_repr_has_what_is_secret() -> None:
    from imnet_data.storage.address import shown

    url = "https://user:password@host:9000/bucket/data?X-Amz-Signature=abc&sig=def#token"
    assert shown(url) == "https://host:9000/bucket/data"
    assert shown("https://user:a/b?c@host/data?sig=d@e") == "https://host/data"
    assert shown("https:/user:password@host/data") == "https:/host/data"


@pytest.mark.parametrize(
    "url", ["s3:/bucket/data", "s3://", "S3://bucket/data", "s3://b/a@2", "s3://b/a//c"]
)
def test_a_url_is_shown_as_it_was_given(url: str) -> None:
    from imnet_data.storage.address import shown

    assert shown(url) == url


@pytest.mark.parametrize("url", ["http://[::1/data", "s3://user:password@[/data"])
def test_what_cannot_be_read_as_a_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StorageError, match=r"is not a URL; check its spelling$") as error:
        imnet_data.verify(url)
    assert "password" not in str(error.value)


def test_a_process_that_was_forked_after_a_read_is_refused_and_does_not_hang(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path
) -> None:
    code = (
        "import os, sys; from imnet_data.storage.store import open_store;"
        "store = open_store(sys.argv[1]); assert store.nbytes('SHA256SUMS')\n"
        "if os.fork() == 0:\n"
        "    try: store.nbytes('SHA256SUMS')\n"
        "    except Exception as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()"
    )
    words = [sys.executable, "-W", "ignore", "-c", code, in_store["webdataset"]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "this process was forked from one that had read from a store" in done.stdout
