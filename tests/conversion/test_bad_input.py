"""Each kind of bad input is one clear line, exit status 1, and nothing under a final name."""

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from imnet_data.cli import main

Members = dict[str, bytes]
WNID, OTHER = "n01440764", "n01443537"


def jpeg(side: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), "orange").save(file, "JPEG")
    return file.getvalue()


def tar(members: Members) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def train(inner: Members | None = None, name: str = f"{WNID}.tar") -> bytes:
    return tar({name: tar(inner or {f"{WNID}_10.JPEG": jpeg()})})


def linked() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo(f"{WNID}.tar")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    return file.getvalue()


def bomb() -> bytes:
    content = bytearray(jpeg())
    size = content.index(b"\xff\xc0") + 5
    content[size : size + 4] = b"\xff\xff\xff\xff"
    return bytes(content)


INNER = tar({f"{WNID}_1.JPEG": jpeg()})
BAD = {
    "outer tar cut short": (lambda: train()[:900], "cut short|ends"),
    "inner tar cut short": (
        lambda: tar({f"{WNID}.tar": tar({f"{WNID}_1.JPEG": jpeg()})[:700]}),
        "",
    ),
    "empty file": (lambda: b"", "ILSVRC2012_img_train.tar"),
    "empty tar": (lambda: tar({}), ""),
    "not a tar": (lambda: b"GIF89a" * 1000, ""),
    "member outside": (lambda: train({f"../{WNID}_1.JPEG": jpeg()}), r"\.\./"),
    "absolute member": (lambda: train({f"/{WNID}_1.JPEG": jpeg()}), f"/{WNID}_1.JPEG"),
    "link": (linked, f"{WNID}.tar"),
    "wrong class in a tar": (lambda: train({f"{OTHER}_1.JPEG": jpeg()}), f"{OTHER}_1"),
    "unknown wnid": (lambda: train({"n99999999_1.JPEG": jpeg()}, "n99999999.tar"), "n99999999"),
    "two of one key": (
        lambda: tar({f"{WNID}.tar": tar({f"{WNID}_1.JPEG": jpeg(), f"./{WNID}_1.JPEG": jpeg()})}),
        f"{WNID}_1",
    ),
    "bomb": (lambda: train({f"{WNID}_1.JPEG": bomb()}), f"{WNID}_1.*pixels"),
    "no image": (lambda: train({f"{WNID}_1.JPEG": b"<html>404</html>"}), f"{WNID}_1"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    make: Callable[[], bytes] = BAD[kind][0]
    source, out = tmp_path / "ILSVRC2012_img_train.tar", tmp_path / "out"
    source.write_bytes(make())
    words = ["convert", str(source), str(out), "--classes", WNID]
    if kind == "unknown wnid":
        words = words[:3]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1, done.output
    # what was found may be said, before anything is written
    assert re.fullmatch(r"((found in |train: |to be written: ).*\n)*", done.stdout)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert re.search(BAD[kind][1], line), line
    assert not out.exists() or {path.name for path in out.iterdir()} == {".part"}


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    done = CliRunner().invoke(main, ["convert", str(tmp_path / "nothing"), str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "no images found; looked for ILSVRC2012_" in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    for words in (
        ["convert"],
        ["convert", "nowhere.tar", str(tmp_path)],
        ["convert", str(tmp_path), str(tmp_path / "out"), "--format", "zip"],
        ["convert", str(tmp_path), str(tmp_path / "out"), "--shard-size", "much"],
        ["convert", str(tmp_path), str(tmp_path / "out"), "--classes", "tench"],
        ["convert", str(tmp_path), str(tmp_path / "out"), "--lmdb-layout", "caffe"],
        ["synth"],
        ["frobnicate"],
    ):
        assert CliRunner().invoke(main, words).exit_code == 2, words
