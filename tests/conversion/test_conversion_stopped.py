import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import killed
import paused
import pytest

from imnet_data.conversion import staging
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError, ImageError
from imnet_data.machine.progress import Step
from imnet_data.verification.verify import verify

SHARDS = Options(shard_nbytes=64_000)
Command = Callable[..., list[str]]


def sums(root: Path) -> bytes:
    return (root / "SHA256SUMS").read_bytes()


def assert_nothing_final(out: Path) -> None:
    assert not out.exists() or {path.name for path in out.iterdir()} <= {staging.NAME}


@pytest.mark.parametrize("name", ["webdataset", "folder", "lmdb"])
def test_killed_at_twenty_moments_and_gone_on_ends_in_the_same_bytes(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    seed = 20121
    chosen, out, interrupted = random.Random(seed), tmp_path / "out", 0
    work = partial(convert, [tarballs], out, format=name, options=SHARDS, workers=2)
    for _ in range(20):
        moment = killed.after_calls(chosen.randrange(60_000), since=f"{staging.NAME}/boot")
        interrupted += killed.killed(work, moment)
        if (out / "dataset.json").exists():
            assert sums(out) == sums(made[name]), f"seed {seed}"
            shutil.rmtree(out)
        else:
            assert_nothing_final_but_moved(out)
    work()
    assert sums(out) == sums(made[name]), f"seed {seed}"
    assert interrupted >= 10
    assert not (out / staging.NAME).exists()


def assert_nothing_final_but_moved(out: Path) -> None:
    """What has a final name is whole: moving into place had begun, or nothing has one."""
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if names - {staging.NAME}:
        assert (out / staging.NAME / "dataset.json").exists()


def test_killed_while_files_are_moved_into_place_goes_on(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["webdataset"], tmp_path / "out"))
    stage = root / staging.NAME
    stage.mkdir()
    for name in ("val", "labels.tsv", "SHA256SUMS", "dataset.json"):  # train was moved before
        (root / name).rename(stage / name)
    staging.move_into_place(stage, root)
    stage.rmdir()
    assert verify(root) == []


def test_workers_die_with_a_killed_command(
    tarballs: Path, tmp_path: Path, command: Command
) -> None:
    words = command(tarballs, tmp_path / "out", "webdataset", "--workers", "2")
    process, workers = paused.started(words, 2)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while not {paused.state(pid) for pid in workers} <= {"", "Z", "X"}:
        assert time.monotonic() < deadline, "a worker outlives its command"
        time.sleep(0.01)


def test_an_interrupt_is_one_line_and_the_command_goes_on(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out"
    words = command(tarballs, out, "webdataset", "--workers", "1")
    process, _ = paused.started(words, 1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message.strip() == "stopped; run the same command again to resume"
    assert len(list(out.glob(".part/journals/*.json"))) == 1
    assert_nothing_final(out)
    subprocess.run(words, check=True)
    assert sums(out) == sums(made["webdataset"])


@pytest.mark.parametrize("name", ["webdataset", "lmdb", "caffe", "beton", "tfrecord"])
def test_a_disk_that_fills_is_one_line_and_the_command_goes_on(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, name: str, command: Command
) -> None:
    out = tmp_path / "out"

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    words = command(tarballs, out, name, "--workers", "1")
    done = subprocess.run(words, preexec_fn=small_disk, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cannot be written" in done.stderr
    assert_nothing_final(out)
    with pytest.raises(ConvertError, match=r"with other options \(seed 0, not 3; shard_nbytes"):
        convert([tarballs], out, format=name, options=Options(seed=3))
    subprocess.run(words, check=True)
    assert sums(out) == sums(made[name])


@pytest.fixture
def tiny_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 128 KiB, or as large as is asked for."""
    nbytes = getattr(request, "param", "128k")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={nbytes}", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("tiny_disk", ["880k"], indirect=True)
def test_images_that_are_shrunk_need_not_fit_as_published(
    tarballs: Path, tiny_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConvertError, match=r"0\.9 MB are needed and 0\.9 MB are free"):
        convert([tarballs], tiny_disk / "out")
    convert([tarballs], tiny_disk / "out", options=Options(max_side=8))
    assert "by a sample of" not in caplog.text


def test_where_the_need_is_a_guess_too_little_space_is_a_warning(
    tarballs: Path, tiny_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConvertError, match="No space left on device"):
        convert([tarballs], tiny_disk / "out", options=Options(max_side=8))
    told = re.search(
        r"by a sample of 32 images, (.*) MB are needed and 0.1 MB are free", caplog.text
    )
    assert told
    assert 0.3 < float(told[1]) < 0.6


def test_too_little_space_is_seen_before_anything_is_written(
    tarballs: Path, tiny_disk: Path
) -> None:
    with pytest.raises(ConvertError, match=r"[GM]B are needed and .* [GM]B are free"):
        convert([tarballs], tiny_disk / "out")
    assert not (tiny_disk / "out").exists()


def test_the_same_command_again_changes_nothing(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path, options=SHARDS)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    convert([tarballs], tmp_path, options=SHARDS)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_another_command_on_a_dataset_is_refused_unless_forced(
    tarballs: Path, tmp_path: Path
) -> None:
    convert([tarballs], tmp_path, options=SHARDS)
    with pytest.raises(
        ConvertError,
        match=r"other format \(webdataset, not lmdb\) and options \(shard_nbytes \d+, not None",
    ):
        convert([tarballs], tmp_path, format="lmdb")
    about = convert([tarballs], tmp_path, format="lmdb", force=True)
    assert about.format == "lmdb"
    assert not list(tmp_path.rglob("*.tar"))


@pytest.mark.parametrize("name", ["imnet-data", "dataset version", "pillow"])
def test_what_another_version_began_is_refused_by_name_unless_forced(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    plan = tmp_path / staging.NAME / "plan.json"
    with pytest.raises(ImageError, match="--bad"):
        convert([tarballs], tmp_path, options=Options(shard_nbytes=64_000, bad="error"))
    plan.write_text(re.sub(rf'("{name}": )"[^"]*"', r'\1"0"', plan.read_text()))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    with pytest.raises(ConvertError, match=rf"unfinished .* other software \({name} 0, not "):
        convert([tarballs], tmp_path, options=Options(shard_nbytes=64_000, bad="error"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before
    convert([tarballs], tmp_path, options=SHARDS, force=True)
    assert sums(tmp_path) == sums(made["webdataset"])


def test_two_conversions_to_one_folder_are_refused(
    tarballs: Path, tmp_path: Path, command: Command
) -> None:
    with staging.held(tmp_path / "out"):
        words = command(tarballs, tmp_path / "out", "webdataset")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another conversion is writing there" in done.stderr


def test_a_folder_with_other_things_in_it_is_left_alone(tarballs: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(ConvertError, match=r"neither empty \(there is thesis.tex\)"):
            convert([tarballs], tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(sys.platform != "linux", reason="chattr is Linux's")
def test_a_folder_that_cannot_be_written_is_one_line(tarballs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConvertError, match=r"cannot be written \(Not a directory\)"):
        convert([tarballs], tmp_path / "file" / "out")
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a read-only disk cannot be mounted here")
    try:
        with pytest.raises(ConvertError, match=r"cannot be written \(Read-only file system\)"):
            convert([tarballs], tmp_path / "out")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_out_within_its_own_source_is_refused(tarballs: Path) -> None:
    with pytest.raises(ConvertError, match="is inside its own source"):
        convert([tarballs], tarballs / "out")


def test_what_a_machine_that_went_down_has_lost_is_written_again(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, format_name: str
) -> None:
    """Until all is synced, a shard's journal may be on disk while its bytes are not."""
    out = tmp_path / "out"
    work = partial(convert, [tarballs], out, format=format_name, options=SHARDS, workers=1)
    assert killed.killed(work, killed.at_rename("journals/train-*.json", 5))
    stage = out / staging.NAME
    (stage / "boot").write_text("another boot\n")
    done = sorted(stage.glob("journals/train-*.json"))
    assert len(done) == 4
    heads = [json.loads(path.read_bytes()) for path in done]
    files = [path for path in (stage / "train").rglob("*.JPEG") if format_name == "folder"]
    lost = files[0] if files else stage / "train" / heads[0]["name"]
    lost.write_bytes(bytes(lost.stat().st_size))
    done[1].with_suffix(".lines").write_bytes(b"")
    done[2].with_suffix(".npy").unlink()
    done[3].write_bytes(done[3].read_bytes()[:9])
    work()
    assert sums(out) == sums(made[format_name])
    assert verify(out) == []


FAILING_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int syncfs(int descriptor) {
    if (access(FAILED, F_OK)) {
        fclose(fopen(FAILED, "w"));
        errno = EIO;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "syncfs"))(descriptor);
}
"""


def test_after_a_sync_that_failed_all_that_was_written_is_hashed(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, format_name: str, command: Command
) -> None:
    """The system has dropped what it could not write, and says so once."""
    source, library, failed = (tmp_path / name for name in ("sync.c", "sync.so", "failed"))
    source.write_text(FAILING_SYNC)
    words = ["cc", "-shared", "-fPIC", f'-DFAILED="{failed}"', str(source), "-o", str(library)]
    subprocess.run(words, check=True)
    out = tmp_path / "out"
    run = partial(subprocess.run, command(tarballs, out, format_name), text=True)
    stopped = run(env=os.environ | {"LD_PRELOAD": str(library)}, capture_output=True, check=False)
    assert failed.exists()
    assert stopped.returncode == 1
    assert "cannot be written (Input/output error)" in stopped.stderr
    stage = out / staging.NAME
    assert (stage / "dataset.json").exists()
    lost = max((stage / "train").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    lost.write_bytes(bytes(lost.stat().st_size))
    run(check=True)
    assert sums(out) == sums(made[format_name])
    assert verify(out) == []


def test_a_run_that_is_killed_while_it_hashes_leaves_the_doubt(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    stage = tmp_path / "out" / staging.NAME
    shutil.copytree(made["lmdb"], stage)
    assert not staging.is_trusted(stage)
    assert not staging.is_trusted(stage)
    staging.trust(stage)
    assert staging.is_trusted(stage)


def other_bytes(path: Path, *, at: int) -> None:
    """Change one byte of a file, and nothing else that is to be seen from outside."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("kind", ["tarballs", "folder", "dataset"])
@pytest.mark.parametrize("seen_by", ["time", "bytes"])
def test_a_source_that_has_changed_does_not_go_on(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, kind: str, seen_by: str, command: Command
) -> None:
    given = {"tarballs": tarballs, "folder": made["folder"], "dataset": made["tfrecord"]}[kind]
    source = Path(shutil.copytree(given, tmp_path / "source"))
    if kind == "folder":  # without this, it would be a dataset
        for name in ("dataset.json", "labels.tsv", "SHA256SUMS"):
            (source / name).unlink()
    pattern = {"tarballs": "*_train.tar", "folder": "train/*/*.JPEG", "dataset": "SHA256SUMS"}[kind]
    changed = min(source.glob(pattern))
    if seen_by == "bytes" and kind == "folder":
        pytest.skip("of the files in a folder, names, sizes and times are looked at")
    out = tmp_path / "out"
    words = command(source, out, "webdataset", "--classes", "found")
    asked = Options(shard_nbytes=64_000, classes=("found",))
    work = partial(convert, [source], out, options=asked, workers=1)
    assert killed.killed(work, killed.at_rename("journals/*.json", 4))
    times = changed.stat()
    other_bytes(changed, at=1_900 if kind == "tarballs" else 10)
    if seen_by == "bytes":
        os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    named = source if kind == "folder" else changed
    assert f"its source has changed since then: {named}" in refused.stderr, refused.stderr
    assert "add --force to start again" in refused.stderr
    subprocess.run([*words, "--force"], check=kind != "dataset")
    if kind != "dataset":
        assert verify(out) == []


def test_a_source_that_changes_while_it_is_converted_is_refused_at_the_end(
    tarballs: Path, tmp_path: Path
) -> None:
    source, out = Path(shutil.copytree(tarballs, tmp_path / "source")), tmp_path / "out"

    def write_to_source(step: Step) -> None:
        if step.task == "convert":
            other_bytes(source / "ILSVRC2012_img_val.tar", at=700)

    with pytest.raises(ConvertError, match=r"source has changed since then: .*_val\.tar;"):
        convert([source], out, progress=write_to_source)
    assert not (out / "dataset.json").exists()


def test_a_finished_dataset_whose_source_has_other_records_says_so(
    tarballs: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    convert([tarballs], source, format="folder", options=Options(limit=9))
    for name in ("dataset.json", "labels.tsv", "SHA256SUMS"):
        (source / name).unlink()
    options = Options(classes=("found",), bad="keep")
    about = convert([source], out, options=options)
    assert convert([source], out, options=options) == about
    one, other = sorted((source / "val").rglob("*.JPEG"))[:2]
    for path, content in ((one, one.read_bytes() + b"x"), (other, other.read_bytes()[:-1])):
        path.write_bytes(content)  # so that the folder's size is what it was
    with pytest.raises(ConvertError, match="its source has changed: val has images with other"):
        convert([source], out, options=options)
