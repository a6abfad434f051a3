"""A copy that is killed, or that the network spoils, ends in the same bytes or in one line."""

import hashlib
import itertools
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import store_kit

COPY = [sys.executable, "-m", "imnet_data", "copy"]
KINDS = ["503", "reset", "slow", "short", "byte"]


def copy(source: object, target: object, *, status: int = 0) -> str:
    words = [*COPY, str(source), str(target)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout or done.stderr


def digests(root: Path) -> dict[str, str]:
    """Return name and sha256 of each file below a folder, but for what is no part of a dataset."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path != root / "_info.json" and not path.name.startswith(".tmp.")
    }


@pytest.fixture
def there(store_folder: Path, tmp_path: Path) -> Path:
    """The folder of a dataset in the store, as long as a test runs."""
    return store_folder / store_kit.BUCKET / tmp_path.name


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"s3://{store_kit.BUCKET}/{tmp_path.name}"


class Way(NamedTuple):
    """From where to where a copy goes."""

    source: str
    target: str
    place: Path  # the folder of the target
    method: str  # of the requests that carry the files


@pytest.fixture(params=["to a store", "from a store"])
def way(
    request: pytest.FixtureRequest,
    made: dict[str, Path],
    in_store: dict[str, str],
    there: Path,
    url: str,
    tmp_path: Path,
) -> Way:
    if request.param == "to a store":
        return Way(str(made["webdataset"]), url, there, "PUT")
    copied = tmp_path / "copy"
    return Way(in_store["webdataset"], str(copied), copied, "GET")


def killed(way: Way, front: store_kit.Front, count: int) -> None:
    """Start a copy, and kill it when it has sent so many requests."""
    front.requests.clear()
    words = [*COPY, way.source, way.target]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(1 for asked, _ in list(front.requests) if asked == way.method) < count:
        assert process.poll() is None, "it has ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_killed_at_several_moments_it_goes_on_and_ends_in_the_same_bytes(
    made: dict[str, Path], front: store_kit.Front, way: Way
) -> None:
    wanted = digests(made["webdataset"])
    front.fault = lambda method, path: "slow" if method == "GET" else ""
    chosen = random.Random(5)
    for count in sorted(chosen.sample(range(2, 12), 4)):
        killed(way, front, count)
        found = digests(way.place) if way.place.exists() else {}
        whole = {name: digest for name, digest in found.items() if not name.endswith(".part")}
        assert whole.items() <= wanted.items()
        assert "dataset.json" not in whole
    front.fault = lambda method, path: ""
    said = copy(way.source, way.target)
    assert digests(way.place) == wanted
    (done,) = re.findall(r"(\d+) were there", said)
    assert int(done) > 0


def test_a_fault_that_passes_changes_nothing(
    made: dict[str, Path], front: store_kit.Front, way: Way
) -> None:
    kinds = itertools.cycle(KINDS)

    def choose(method: str, path: str, number: int) -> str:
        """Spoil the first of each request, but for what can be known to be wrong by nothing."""
        return "" if number > 1 or path.endswith("SHA256SUMS") else next(kinds)

    front.fault = faults = store_kit.Some(choose)
    copy(way.source, way.target)
    assert digests(way.place) == digests(made["webdataset"])
    assert (way.place / "_info.json").is_file() == (way.method == "GET")
    assert min(faults.done[kind] for kind in KINDS) > 2


@pytest.mark.parametrize("what", ["403", "byte"])
def test_a_fault_that_stays_is_one_line_and_the_copy_goes_on_once_it_is_gone(
    made: dict[str, Path],
    in_store: dict[str, str],
    front: store_kit.Front,
    there: Path,
    url: str,
    what: str,
) -> None:
    """As where credentials expire in the middle, or a disk of the store goes bad."""
    bad = re.compile(r"train/train-00000[5-9]")
    front.fault = lambda method, path: what if bad.search(path) else ""
    said = copy(made["webdataset"], url, status=1).splitlines()[-1]
    assert re.match(rf"Error: {url}/train/train-00000\d\.\w+: ", said), said
    assert ("access is denied" if what == "403" else "did not arrive as it was sent") in said
    assert store_kit.SECRET not in said
    assert not (there / "dataset.json").exists()
    front.fault = lambda method, path: ""
    assert re.search(r", [1-9]\d* were there\n$", copy(made["webdataset"], url))
    assert digests(there) == digests(made["webdataset"])


_ON_A_SMALL_DISK = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'


@pytest.mark.parametrize("full", ["cache", "target", "temporary"])
def test_a_disk_that_is_full_is_one_line_that_names_the_file(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    full: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = [shutil.which("unshare") or "", "-rm", "sh", "-c", _ON_A_SMALL_DISK, "sh", "100k"]
    alone.append(str(disk))
    if not alone[0] or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("nobody may mount a disk here")
    code = (
        "import sys; from imnet_data import Dataset, ImnetError\n"
        "try: [*Dataset.open(sys.argv[1], 'train', cache=sys.argv[2])]\n"
        "except ImnetError as error: sys.exit(f'Error: {error}')\n"
    )
    words = [*COPY, in_store["lmdb"], str(disk)]
    if full == "cache":
        words = [sys.executable, "-c", code, in_store["lmdb"], str(disk)]
    if full == "temporary":
        words = [*COPY, str(made["lmdb"]), f"s3://{store_kit.BUCKET}/{tmp_path.name}"]
        monkeypatch.setenv("TMPDIR", str(disk))
    done = subprocess.run([*alone, *words], capture_output=True, text=True, timeout=120)
    said = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert said[-1].startswith("Error: ")
    assert "No space left on device" in said[-1]
    assert "train/train-0" in said[-1]
    assert "Traceback" not in done.stderr
