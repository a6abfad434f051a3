"""Sources in object stores and behind web servers: the same bytes as from the local files."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_kit

from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError, StorageError
from imnet_data.storage import apart

_UPLOAD = """
import sys
from pathlib import Path
from imnet_data.storage.store import open_store
store, root = open_store(sys.argv[1]), Path(sys.argv[2])
for path in sorted(root.rglob("*")):
    if path.is_file():
        store.write(path.relative_to(root).as_posix(), path)
"""
SHARDS = Options(shard_nbytes=64_000, boxes=True)
QUERY = "X-Amz-Credential=of-nobody&X-Amz-Signature=a-signature-of-nobody"


def upload(folder: Path, url: str) -> None:
    """Copy the files of a folder, in a process of its own: pytest must stay one that can fork."""
    subprocess.run([sys.executable, "-c", _UPLOAD, url, str(folder)], check=True)


def sums(out: Path) -> str:
    return (out / "SHA256SUMS").read_text()


@pytest.fixture
def store(front: store_kit.Front, monkeypatch: pytest.MonkeyPatch) -> Iterator[store_kit.Front]:
    """A server in front of the store, of which requests that fail are soon tried again."""
    quick = "from imnet_data.storage import cloud; cloud._WAIT_SECONDS = 0.001; "
    monkeypatch.setattr(apart, "_SERVE", quick + apart._SERVE)
    monkeypatch.setattr("imnet_data.storage.cloud._WAIT_SECONDS", 0.001)
    apart._reader.cache_clear()  # the one of another test has another port
    yield front
    apart._reader.cache_clear()


@pytest.fixture(scope="module")
def url(tarballs: Path, store_port: int) -> str:
    """The official files in a store; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store_kit.environment(store_port).items():
            patch.setenv(name, value)
        upload(tarballs, "s3://bucket/tarballs")
    return "s3://bucket/tarballs"


@pytest.fixture(scope="module")
def expected(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SHA256SUMS of what is converted from the local files."""
    out = tmp_path_factory.mktemp("expected") / "out"
    convert(tarballs, out, options=SHARDS, workers=2)
    return sums(out)


def test_official_tarballs_in_a_store_give_the_same_dataset_in_few_requests(
    url: str, store: store_kit.Front, tmp_path: Path, expected: str
) -> None:
    convert(url, tmp_path / "out", options=SHARDS, workers=2)
    assert sums(tmp_path / "out") == expected
    said = (tmp_path / "out/dataset.json").read_text()
    train = {"name": "ILSVRC2012_img_train.tar", "nbytes": 583_680}
    assert train in json.loads(said)["sources"]
    assert "s3:" not in said
    of_train = [path for method, path in store.requests if "img_train" in path and method == "GET"]
    assert len(of_train) < 148  # fewer than images


def test_faults_that_pass_change_nothing(
    url: str, store: store_kit.Front, tmp_path: Path, expected: str
) -> None:
    lock, counts, faults = threading.Lock(), Counter[str](), []

    def fault(method: str, path: str) -> str:
        with lock:
            counts[method] += 1
            if method == "GET" and "tarballs/" in path and counts[method] % 4 == 1:
                faults.append(path)
                return ("503", "reset", "short")[len(faults) % 3]
        return ""

    store.fault = fault
    convert(url, tmp_path / "out", options=SHARDS, workers=2)
    assert sums(tmp_path / "out") == expected
    assert len(faults) > 6


@pytest.mark.parametrize(
    ("what", "said", "listed"),
    [
        ("short", r"cannot be reached after \d attempts \(it sent ", False),
        ("short", r"cannot be reached after \d attempts \(it sent ", True),
        ("403", "access is denied; check the credentials", True),
    ],
)
def test_a_fault_that_stays_is_one_line_that_names_the_object_and_no_secret(
    url: str, store: store_kit.Front, tmp_path: Path, what: str, said: str, listed: bool
) -> None:
    is_converting = threading.Event()

    def fault(method: str, path: str) -> str:
        is_here = "img_train" in path and method == "GET"
        return what if is_here and (not listed or is_converting.is_set()) else ""

    def progress(step: object) -> None:
        if "convert" in str(step):
            is_converting.set()

    store.fault = fault
    with pytest.raises(StorageError, match=said) as caught:
        convert(url, tmp_path / "out", options=SHARDS, workers=2, progress=progress)
    text = str(caught.value)
    assert "s3://bucket/tarballs/ILSVRC2012_img_train.tar" in text
    assert len(text.splitlines()) == 1
    assert store_kit.SECRET not in text
    assert store_kit.KEY not in text
    assert not (tmp_path / "out/dataset.json").exists()


def test_an_object_that_was_replaced_between_stop_and_continuation_is_refused(
    tarballs: Path, store: store_kit.Front, tmp_path: Path, expected: str
) -> None:
    mine, out = f"s3://bucket/{tmp_path.name}", tmp_path / "out"
    upload(tarballs, mine)
    seen = []

    def fault(method: str, path: str) -> str:
        if "img_train" in path and method == "GET" and list(out.rglob("journals/*.json")):
            seen.append(path)
            return "403"
        return ""

    store.fault = fault
    with pytest.raises(StorageError, match="access is denied"):
        convert(mine, out, options=SHARDS, workers=1)
    assert seen
    assert list(out.rglob("journals/*.json"))  # something was done
    store.fault = lambda method, path: ""
    train = tmp_path / "changed/ILSVRC2012_img_train.tar"
    train.parent.mkdir()
    train.write_bytes((tarballs / train.name).read_bytes() + bytes(512))
    upload(train.parent, mine)
    with pytest.raises(ConvertError, match=r"source has changed since then: s3://bucket/.*_train"):
        convert(mine, out, options=SHARDS, workers=1)
    upload(tarballs, mine)
    convert(mine, out, options=SHARDS, workers=1)
    assert sums(out) == expected
