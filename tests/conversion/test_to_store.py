"""A conversion to a store gives the bytes of one to a folder, whatever stops it on its way."""

import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import store_kit

import imnet_data
from imnet_data import formats
from imnet_data.conversion import planning, shards, space, to_store
from imnet_data.errors import ImnetError
from imnet_data.sources.opening import open_any
from imnet_data.storage import ranges, upload
from imnet_data.storage.store import open_store

SHARDS = imnet_data.Options(shard_nbytes=64_000)  # as `command` has it
Command = Callable[..., list[str]]
TREE = "folder"  # an object for each image, which is refused
IN_STORE = [name for name in sorted(formats.FORMATS) if name != TREE]


@pytest.fixture
def out(front: store_kit.Front, store_folder: Path, tmp_path: Path) -> Path:
    """Where the S3 server has the objects of `url(out)`; nothing is there yet."""
    return store_folder / store_kit.BUCKET / tmp_path.name


def url(out: Path) -> str:
    return f"s3://{store_kit.BUCKET}/{out.name}"


def files(root: Path) -> dict[str, str]:
    """Return name and hash of all files below a folder."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def run(words: list[str], status: int = 0) -> str:
    """Return the last line that a command prints, on stderr if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert store_kit.SECRET not in done.stdout + done.stderr
    return (done.stderr if status else done.stdout).splitlines()[-1]


@pytest.mark.parametrize("name", IN_STORE)
def test_the_objects_are_the_files_of_a_folder(
    out: Path, tarballs: Path, command: Command, name: str, tmp_path: Path
) -> None:
    stage, split = tmp_path / "stage", "val" if name == "beton" else None  # it has pages of 8 MiB
    small = imnet_data.Options(shard_nbytes=30_000, limit=12)
    imnet_data.convert(
        tarballs, tmp_path / "folder", format=name, split=split, options=small, workers=1
    )
    words = command(tarballs, url(out), name, "--stage", str(stage), "--limit", "12")
    run([*words, "--shard-size", "30000", *(["--split", split] if split else [])])
    assert files(out) == files(tmp_path / "folder")
    assert list(stage.iterdir()) == []


MOMENTS = [  # requests: method, and what is in the path
    ("PUT", r"/\.part/plan\.json"),
    ("PUT", r"/train/train-000002\.tar"),
    ("PUT", r"/\.part/journals/train-\d+\.objects"),
    ("PUT", r"/\.part/journals/val-\d+\.json"),
    ("PUT", r"/val/index\.npy"),
    ("PUT", r"/SHA256SUMS"),
    ("PUT", r"/dataset\.json"),
    ("POST", r"\?delete"),  # what the finished dataset does not need
]


def test_killed_at_any_moment_the_next_run_goes_on(
    out: Path,
    front: store_kit.Front,
    made: dict[str, Path],
    tarballs: Path,
    command: Command,
    tmp_path: Path,
) -> None:
    stage = tmp_path / "stage"
    words = command(tarballs, url(out), "webdataset", "--stage", str(stage), "--workers", "2")
    for method, pattern in MOMENTS:
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        reached = threading.Event()

        def kill(asked: str, path: str) -> str:
            if asked == method and re.search(pattern, path):  # noqa: B023 - it is used in this turn
                reached.set()  # noqa: B023
                process.kill()  # noqa: B023
                process.wait()  # noqa: B023
                return "503"
            return ""

        front.fault = kill
        assert process.wait(timeout=300) == -signal.SIGKILL, pattern
        assert reached.is_set()
        assert list(stage.iterdir())  # it was stopped while it had one
        assert (out / "dataset.json").exists() == (method == "POST")
    front.fault = lambda method, path: ""
    front.requests.clear()
    assert run(words).startswith("  test")
    assert files(out) == files(made["webdataset"])
    assert list(stage.iterdir()) == []
    assert not [path for method, path in front.requests if method == "PUT"]  # all was there


def test_parts_and_a_run_without_parts_go_on_from_what_is_sound(
    out: Path,
    front: store_kit.Front,
    made: dict[str, Path],
    tarballs: Path,
    command: Command,
) -> None:
    words = command(tarballs, url(out), "webdataset")
    assert "this part is done, and others are not yet" in run([*words, "--part", "1/2"])
    shards = sorted((out / "train").glob("*.tar"))
    assert len(shards) > 3
    shards[0].write_bytes(b"x" * shards[0].stat().st_size)  # as by hand, or by another tool
    shards[1].unlink()
    journal = out / ".part" / "journals" / shards[2].with_suffix(".identities").name
    journal.write_bytes(b"damaged")
    # nanio keeps what it says of an object beside it
    for path in (shards[0], journal):
        store = open_store(url(out))
        store.put(path.relative_to(out).as_posix(), path.read_bytes())
    with pytest.raises(ImnetError, match=r"11 of 17 shards are not there yet .* run what is"):
        imnet_data.join(url(out))
    front.requests.clear()
    front.fault = lambda method, path: "late" if "list-type=2" in path else ""
    run(words)
    assert files(out) == files(made["webdataset"])
    sent = [path for method, path in front.requests if method == "PUT" and ".tar" in path]
    assert len(sent) == 11  # eight of the other part, and three again


def test_no_more_shards_than_workers_are_on_the_stage(
    out: Path, front: store_kit.Front, tarballs: Path, command: Command, tmp_path: Path
) -> None:
    counts, lock = Counter[int](), threading.Lock()

    def count(method: str, path: str) -> str:
        if method == "PUT" and path.endswith(".tar"):
            with lock:
                counts[len(list(tmp_path.glob("*/*-0*.*/*/*.tar")))] += 1
            return "slow"
        return ""

    front.fault = count
    run(command(tarballs, url(out), "webdataset", "--workers", "2", "--stage", str(tmp_path)))
    assert sum(counts.values()) == 17
    assert 1 <= max(counts) <= 2
    assert list(tmp_path.iterdir()) == []


def test_the_stage_needs_room_for_the_shards_of_most_bytes_not_of_most_images(
    tarballs: Path, tmp_path: Path
) -> None:
    source = open_any([tarballs])
    planned = planning.plan_conversion(source, format_name="webdataset", options=SHARDS)
    writing = shards.planned_writing(planned, tmp_path)
    sizes = {job: space.size(writing.plans, [job]) for job in writing.jobs()}
    largest = sorted(sizes, key=lambda job: sizes[job][1])[-3:]
    assert {*largest} != {*sorted(sizes, key=sizes.__getitem__)[-3:]}
    assert to_store._largest(writing, writing.jobs(), 3) == largest
    source.close()


@pytest.fixture(scope="module")
def val(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of val alone."""
    root = tmp_path_factory.mktemp("val") / "lmdb"
    imnet_data.convert(tarballs, root, format="lmdb", split="val", options=SHARDS, workers=1)
    return root


def test_runs_at_the_same_time_make_one_dataset(
    out: Path, val: Path, tarballs: Path, command: Command
) -> None:
    words = command(tarballs, url(out), "lmdb", "--split", "val", "--workers", "1")
    runs = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=300)[1] for process in runs]
    assert [process.returncode for process in runs] == [0, 0, 0], said
    run(words)  # removes what the slowest one may have left
    assert files(out) == files(val)


@pytest.mark.parametrize("what", ["503", "reset", "byte"])
def test_a_fault_that_passes_changes_nothing(
    out: Path,
    front: store_kit.Front,
    val: Path,
    tarballs: Path,
    command: Command,
    what: str,
) -> None:
    chosen = itertools.cycle(["", "", what])  # the plan, which is read as it is, is the first

    def choose(method: str, path: str, number: int) -> str:
        return next(chosen) if method == "PUT" and number == 1 else ""

    front.fault = faults = store_kit.Some(choose)
    run(command(tarballs, url(out), "lmdb", "--split", "val"))
    assert faults.done[what] > 2
    assert files(out) == files(val)


@pytest.mark.parametrize(
    ("what", "method", "where", "said"),
    [
        ("503", "PUT", "val/val-000001.mdb", r"cannot be reached after 6 attempts \(status 503\)"),
        ("403", "PUT", "val/index.npy", "access is denied; check the credentials"),
        ("403", "PUT", ".part/plan.json", "access is denied; check the credentials"),
        ("403", "GET", "list-type=2", "access is denied; check the credentials"),
    ],
)
def test_a_fault_that_stays_is_one_line_that_names_the_object(
    out: Path,
    front: store_kit.Front,
    tarballs: Path,
    command: Command,
    what: str,
    method: str,
    where: str,
    said: str,
) -> None:
    front.fault = lambda asked, path: what if asked == method and where in path else ""
    line = run(command(tarballs, url(out), "lmdb", "--split", "val"), status=1)
    name = ".part" if "=" in where else where
    assert re.fullmatch(rf"Error: {url(out)}/{re.escape(name)}: {said}.*", line)
    assert not (out / "dataset.json").exists()


def test_what_is_there_already_is_refused_and_stays(out: Path, tarballs: Path) -> None:
    def refused(**asked: object) -> str:
        before = files(out) if out.exists() else {}
        with pytest.raises(ImnetError) as caught:
            imnet_data.convert(tarballs, url(out), split="val", **asked)  # type: ignore[arg-type]
        assert (files(out) if out.exists() else {}) == before
        return str(caught.value)

    assert "an object for each here; choose another format" in refused(format=TREE)
    store = open_store(url(out))
    for name in ("val/notes.txt", ".part/notes.txt"):
        store.put(name, b"somebody's")
        assert refused().startswith(f"{url(out)}/{name}: is there already, and belongs to no")
        store.remove(name)
    imnet_data.convert(tarballs, url(out), split="val")
    # the same again, in a process that has read from a store, changes nothing
    before = files(out)
    imnet_data.convert(tarballs, url(out), split="val")
    assert files(out) == before
    assert re.search(
        r"a dataset made with other format \(webdataset, not mds\)", refused(format="mds")
    )
    other = imnet_data.Options(shard_nbytes=20_000)
    assert "other options (shard_nbytes None, not 20000); choose another OUT" in refused(
        options=other
    )


def test_a_finished_dataset_says_which_source_was_written_to_since(
    out: Path, tarballs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = Path(shutil.copytree(tarballs, tmp_path / "source"))
    convert = partial(imnet_data.convert, source, url(out), split="val")
    about = convert()
    assert convert() == about
    assert "was written to after" not in caplog.text
    changed = source / "ILSVRC2012_img_val.tar"
    later_seconds = (out / "dataset.json").stat().st_mtime + 2
    os.utime(changed, (later_seconds, later_seconds))
    assert convert() == about
    assert f"{changed}: was written to after {url(out)} was made" in caplog.text


def test_another_conversion_that_was_begun_is_refused_by_what_differs(
    out: Path, tarballs: Path
) -> None:
    asked = imnet_data.Options(shard_nbytes=20_000)
    assert not imnet_data.convert_part(
        tarballs, url(out), part="1/2", split="val", options=asked, workers=1
    )
    before = files(out)
    with pytest.raises(ImnetError, match=r"another options \(shard_nbytes 20000, not None\)"):
        imnet_data.convert(tarballs, url(out), split="val")
    open_store(url(out)).put("elsewhere/x", b"")
    with pytest.raises(ImnetError, match=r"elsewhere/x: is there already, and belongs to no conv"):
        imnet_data.convert(tarballs, url(out), split="val", options=asked)
    open_store(url(out)).remove("elsewhere/x")
    assert files(out) == before


def test_what_cannot_be_is_refused_before_anything_is_written(
    tarballs: Path, command: Command, tmp_path: Path
) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: the extra `cloud`")
    for source, place, format, said in (
        (tarballs, "https://x.com/x", "mds", "https://x.com/x: a web server takes no dataset"),
        (tarballs, "ftp://x.com/x", "mds", "ftp://x.com/x: is not a URL of s3://"),
        (tarballs, "s3://bucket/x", "folder", "s3://bucket/x: folder has a file for each image"),
        ("s3://bucket", "s3://bucket/x/", "mds", "s3://bucket/x: is inside its own source s3://bu"),
        ([], "s3://bucket/x", "mds", "no SOURCE; pass"),
    ):
        for work in (imnet_data.convert, imnet_data.dry_run):
            with pytest.raises(ImnetError, match=f"^{re.escape(said)}"):
                work(source, place, format=format)
    with pytest.raises(ValueError, match="force is True, and out is a URL"):
        imnet_data.convert(tarballs, "s3://bucket/x", force=True)
    with pytest.raises(ValueError, match="stage is 'x', and out is no URL"):
        imnet_data.convert(tarballs, tmp_path / "out", stage="x")
    words = command(tarballs, "s3://bucket/x", "webdataset", "--force")
    assert "--force does not go with an OUT that is a URL: remove" in run(words, status=2)
    words = command(tarballs, tmp_path / "out", "webdataset", "--stage", str(tmp_path))
    assert "--stage goes with an OUT that is a URL" in run(words, status=2)


def test_a_bucket_that_is_not_there_and_wrong_keys_are_one_line(
    front: store_kit.Front, tarballs: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = run(command(tarballs, "s3://no-such-bucket/x", "webdataset"), status=1)
    assert line.startswith("Error: s3://no-such-bucket/x/")
    assert "there is no such" in line
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    line = run(command(tarballs, "s3://bucket/nothing", "webdataset"), status=1)
    assert re.fullmatch(r"Error: s3://bucket/nothing/\S+: access is denied; check the .*", line)


def test_refused_images_are_listed_and_the_list_stays(
    out: Path, tarballs: Path, command: Command, tmp_path: Path
) -> None:
    words = command(tarballs, url(out), "webdataset", "--bad", "error", "--stage", str(tmp_path))
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert f"remove {url(out)}, and convert with `--bad skip` or `--bad keep`" in done.stderr
    (left,) = tmp_path.rglob("*.txt")
    assert str(left) in done.stderr
    assert left.read_text().startswith("train: ")


def test_an_upload_is_compared_by_its_etag_or_read_back(
    out: Path, front: store_kit.Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "_PART_NBYTES", 5 << 20)
    path, store = tmp_path / "file", open_store(url(out))
    for nbytes in (0, 1_000, (5 << 20) + 1):
        path.write_bytes(os.urandom(nbytes))
        front.requests.clear()
        upload.upload(store, "name", path)
        assert {method for method, _ in front.requests} <= {"PUT", "POST", "HEAD"}
        assert (out / "name").read_bytes() == path.read_bytes()
    front.fault = lambda method, path: "etag" if method in ("PUT", "HEAD") else ""
    path.write_bytes(b"content")
    upload.upload(store, "other", path)
    assert [method for method, _ in front.requests if method == "GET"]
    front.fault = lambda method, path: "etag" if method == "HEAD" else "byte" * (method == "GET")
    with pytest.raises(ImnetError, match=r"/other: did not arrive as it was sent, 3 times in a"):
        upload.upload(store, "other", path)


def test_a_stage_that_cannot_be_written_is_one_line(
    out: Path, tarballs: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    words = command(tarballs, url(out), "webdataset", "--stage", str(tmp_path / "file" / "stage"))
    line = run(words, status=1)
    assert re.search(r"file/stage: cannot be written .* or pass another folder as --stage$", line)
    assert not out.exists()
