import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imnet_data import formats
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.sources.opening import open_any


def sums(root: Path) -> bytes:
    return (root / "SHA256SUMS").read_bytes()


def test_every_record_is_there_with_its_published_bytes_and_wnid(
    tarballs: Path, made: dict[str, Path], format_name: str
) -> None:
    source = open_any([tarballs])
    assert source.splits.keys() == {"train", "val", "test"}
    for split, records in source.splits.items():
        published = {record.key: record for record in map(records.__getitem__, range(len(records)))}
        with Dataset.open(made[format_name], split) as converted:
            assert len(converted) == len(published)
            for record, label in zip(converted, converted.labels.tolist(), strict=True):
                want = published[record.key]
                assert record.wnid == want.wnid == (converted.classes[label] if label >= 0 else "")
                assert bool(record.fix) == (record.jpeg != want.jpeg)
    source.close()


def test_every_format_has_the_same_digests(made: dict[str, Path]) -> None:
    digests = [
        [split.digest for split in Dataset.open(root).about.splits.values()]
        for root in made.values()
    ]
    assert len(digests) == len(formats.FORMATS)
    assert len(digests[0]) == 3
    assert all(digest == digests[0] for digest in digests)


def test_sha256sum_agrees_and_every_file_is_named(made: dict[str, Path], format_name: str) -> None:
    root = made[format_name]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=root, check=True)
    named = {line.split("  ", 1)[1] for line in sums(root).decode().splitlines()}
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    beside = {"_info.json"} if format_name == "webdataset" else set()
    assert named | {"SHA256SUMS"} | beside == found


def test_bytes_do_not_depend_on_workers_folder_locale_or_time_zone(
    tarballs: Path,
    made: dict[str, Path],
    tmp_path: Path,
    format_name: str,
    command: Callable[..., list[str]],
) -> None:
    (tmp_path / "elsewhere").symlink_to(tarballs)
    subprocess.run(
        command("elsewhere", "out", format_name, "--workers", "1"),
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7"},
        check=True,
    )
    assert sums(tmp_path / "out") == sums(made[format_name])


def test_converting_there_and_back_gives_the_same_bytes(
    made: dict[str, Path], tmp_path: Path, format_name: str
) -> None:
    other = "webdataset" if format_name == "lmdb" else "lmdb"
    convert([made[format_name]], tmp_path / "there", format=other)
    convert([tmp_path / "there"], tmp_path / "back", format=format_name)
    assert sums(tmp_path / "there") == sums(made[other])
    assert sums(tmp_path / "back") == sums(made[format_name])


@pytest.mark.parametrize("kind", ["tarballs", "folder"])
def test_a_finished_dataset_says_which_source_was_written_to_since(
    tarballs: Path,
    made: dict[str, Path],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = Path("source")
    shutil.copytree(tarballs if kind == "tarballs" else made["folder"], source)
    (source / "dataset.json").unlink(missing_ok=True)  # then it is a tree
    (source / "SHA256SUMS").unlink(missing_ok=True)
    out = tmp_path / "out"
    convert(source, out, options=Options(limit=8))
    caplog.clear()
    convert(source, out, options=Options(limit=8))
    assert "was written to after" not in caplog.text
    before = sums(out)
    changed = max(source.rglob("*.tar" if kind == "tarballs" else "*.JPEG"))
    later_ns = (out / "dataset.json").stat().st_mtime_ns + 1_000_000_000
    os.utime(changed, ns=(later_ns, later_ns))
    convert(source, out, options=Options(limit=8))
    where = changed if kind == "tarballs" else source
    assert f"{where}: was written to after {out} was made" in caplog.text
    assert sums(out) == before
