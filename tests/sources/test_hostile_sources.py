"""Hostile input is one line, exit status 1, and cheap; nothing hangs."""

import gzip
import os
import re
import socket
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
import source_layouts as layouts

from imnet_data.archives import tar
from imnet_data.archives.containers import GzippedTar
from imnet_data.errors import SourceError
from imnet_data.sources import boxes, open_sources

WNID, OTHER = layouts.CLASSES[:2]
IMAGE = f"train/{WNID}/{WNID}_1.JPEG"
MIB = 1 << 20


def _refused(source: Path, tmp_path: Path, match: str, *, mib: int = 1024) -> None:
    """Convert in a process of so much memory: it ends, with one line that matches."""
    code = (
        "import resource, sys; from imnet_data.cli import main;"
        f"resource.setrlimit(resource.RLIMIT_DATA, ({mib * MIB}, {mib * MIB})); main()"
    )
    words = [sys.executable, "-c", code, "convert", str(source), str(tmp_path / "out")]
    words += ["--classes", "found"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)  # a guard
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert len(lines[0]) < 1000
    assert re.search(match, lines[0]), lines[0]
    assert not (tmp_path / "out" / "dataset.json").exists()


def _member(name: bytes, kind: bytes, content: bytes) -> bytes:
    info = tarfile.TarInfo()
    info.size = len(content)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    header[:100] = name.ljust(100, b"\0")
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512)


class _Counting(bytes):
    """Bytes that count how many are copied out of them by slices."""

    copied = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if isinstance(key, slice):
            type(self).copied += len(found)
            return type(self)(found)
        return found


def test_a_header_of_many_small_records_is_read_once():
    content = _Counting(b"5 a=\n" * 10_000)
    records = list(tar._pax_records(content))
    assert len(records) == 10_000
    assert _Counting.copied <= 2 * len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"0 a=b\n",
        b"-5 a=b\n",
        b"9999999 a=b\n",
        b"6 ab\n\n",
        b"6 a=b",
        b"x a=b\n",
        b"=" * 50,
        b" \n" * 9,
    ],
)
def test_a_damaged_record_of_a_header_is_an_error(content, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(
        _member(b"x", b"x", content) + _member(IMAGE.encode(), b"0", b"") + bytes(1024)
    )
    with pytest.raises(SourceError, match="damaged PAX header"):
        open_sources([path])


def test_a_name_of_60_000_characters_among_20_000_images(tmp_path):
    files = {f"train/{WNID}/{WNID}_{number}.JPEG": b"" for number in range(20_000)}
    files[f"train/{WNID}/{'x' * 60_000}.JPEG"] = b""
    path = layouts.tar_bytes(files, form=tarfile.PAX_FORMAT)
    (tmp_path / "a.tar").write_bytes(path)
    _refused(tmp_path / "a.tar", tmp_path, "has 60021 characters, so it cannot be a file name")


def test_a_name_that_makes_too_long_a_key(tmp_path):
    path = layouts.write_tar(tmp_path / "a.tar", {})
    path.write_bytes(
        layouts.tar_bytes({f"train/{WNID}/{'ä' * 100}.JPEG": b""}, form=tarfile.PAX_FORMAT)
    )
    _refused(path, tmp_path, "makes a key of 600 bytes; 240 are the most: rename it")


def test_a_large_member_of_a_gzipped_tar_is_skipped_in_little_memory(tmp_path):
    path = tmp_path / "a.tar.gz"
    zeros = zlib.compressobj(1, wbits=31)
    header = tarfile.TarInfo("big.bin")
    header.size = 400 * MIB
    with path.open("wb") as file:
        file.write(zeros.compress(header.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(400):
            file.write(zeros.compress(bytes(MIB)))
        file.write(zeros.compress(layouts.tar_bytes({"meta.mat": b"x"})) + zeros.flush())
    tracemalloc.start()
    try:
        container = GzippedTar(path)
        assert [entry.path for entry in container.entries()] == ["big.bin", "meta.mat"]
        container.close()
        # a block of 4 MiB a few times over, and a hundred places at which it can be entered
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused_by_the_size_it_claims(tmp_path):
    path = tmp_path / "a.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(IMAGE, "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(MIB))
    _refused(path, tmp_path, "has 314572800 bytes, too many for an image")
    content = path.read_bytes().replace(struct.pack("<I", 300 * MIB), struct.pack("<I", 20))
    path.write_bytes(content)
    _refused(path, tmp_path, "does not match its CRC-32")


@pytest.mark.parametrize("begin", [b"PK", b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b""])
def test_an_archive_full_of_zeros(begin, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(begin + bytes(MIB))
    _refused(path, tmp_path, r"a\.zip: (cut short|damaged|no |neither|only zeros)")


def test_a_number_of_5000_digits_in_a_csv(tmp_path):
    row = f"{WNID}_1,{WNID} {'9' * 5000} 1 1 1\n"
    with pytest.raises(SourceError, match=r"is not `ImageId,wnid x1 y1 x2 y2 \.\.\.`"):
        boxes.from_csv_row(row.strip(), archive="x")
    files = {IMAGE: b"x", "LOC_val_solution.csv": b"ImageId,P\n" + row.encode()}
    _refused(layouts.write_files(tmp_path / "in", files), tmp_path, "is not `ImageId,wnid")


def test_a_nul_in_a_name(tmp_path):
    pax = b"27 path=a\0b/n01440764_1.JP\n"
    assert len(pax) == 27
    path = tmp_path / "a.tar"
    path.write_bytes(_member(b"x", b"x", pax) + _member(IMAGE.encode(), b"0", b"") + bytes(1024))
    _refused(path, tmp_path, "has a NUL, so it cannot be a file name")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train/xyz.JPEG", b"x")
    content = (tmp_path / "a.zip").read_bytes().replace(b"xyz", b"x\0z")
    (tmp_path / "a.zip").write_bytes(content)
    _refused(tmp_path / "a.zip", tmp_path, "has a NUL, so it cannot be a file name")


@pytest.mark.parametrize(
    "name",
    ["pipe", "ILSVRC2012_img_train.tar", f"{WNID}.tar", "meta.mat", f"in/train/{WNID}/a.JPEG"],
)
def test_a_pipe_is_refused_at_once(name, tmp_path):
    layouts.write_files(tmp_path / "in", {IMAGE: b"x"})
    os.mkfifo(tmp_path / name)
    source = tmp_path / "in" if name.startswith("in/") else tmp_path / name
    _refused(source, tmp_path, "is a pipe, and only regular files are read; remove it")


def test_an_official_archive_in_a_folder_that_is_a_pipe(tmp_path):
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in/ILSVRC2012_img_train.tar")
    _refused(tmp_path / "in", tmp_path, "is a pipe, and only regular files are read; remove it")


def test_a_device_and_a_socket_are_refused(tmp_path, monkeypatch):
    _refused(Path("/dev/zero"), tmp_path, "/dev/zero: is a device, and only regular files are read")
    layouts.write_files(tmp_path / "in", {IMAGE: b"x"})
    (tmp_path / "in/train/zero.JPEG").symlink_to("/dev/zero")
    _refused(tmp_path / "in", tmp_path, "zero.JPEG: is a device, and only regular files are read")
    (tmp_path / "in/train/zero.JPEG").unlink()
    monkeypatch.chdir(tmp_path / "in/train")  # the address of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.JPEG")
        _refused(tmp_path / "in", tmp_path, "s.JPEG: is a socket, and only regular files are read")


def test_loops_of_links_are_refused(tmp_path):
    layouts.write_files(tmp_path / "in", {IMAGE: b"x"})
    (tmp_path / "in/train" / WNID / "up").symlink_to(tmp_path / "in/train")
    _refused(tmp_path / "in", tmp_path, r"\w: a link leads back into it; remove the link")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SourceError, match="loop: a link that leads nowhere"):
        open_sources([tmp_path / "loop"])


def test_links_of_a_subset_are_followed(tmp_path):
    layouts.write_files(tmp_path / "whole", {IMAGE: b"x"})
    (tmp_path / "subset/train").mkdir(parents=True)
    (tmp_path / "subset/train" / WNID).symlink_to(tmp_path / "whole/train" / WNID)
    (tmp_path / "subset/train" / OTHER).mkdir()
    (tmp_path / "subset/train" / OTHER / "1.JPEG").symlink_to(tmp_path / "whole" / IMAGE)
    source = open_sources([tmp_path / "subset"])
    assert [source.splits["train"][at].jpeg for at in (0, 1)] == [b"x", b"x"]
    source.close()


def test_a_dangling_link_is_one_line(tmp_path):
    layouts.write_files(tmp_path / "in", {IMAGE: b"x"})
    (tmp_path / "in/train/gone.JPEG").symlink_to("nowhere")
    _refused(tmp_path / "in", tmp_path, "gone.JPEG: No such file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_one_line(tmp_path):
    layouts.write_files(tmp_path / "in", {IMAGE: b"x"})
    (tmp_path / "in").chmod(0)
    _refused(tmp_path / "in", tmp_path, "Permission denied")


def test_a_folder_of_folders_is_left_after_some(tmp_path):
    deep = tmp_path / "in/train" / "/".join(["d"] * 40)
    deep.mkdir(parents=True)
    layouts.write_files(tmp_path / "in", {IMAGE: b"x"})
    _refused(tmp_path / "in", tmp_path, "lies 16 folders deep")


def test_a_text_that_is_too_large(tmp_path):
    layouts.write_files(tmp_path / "in", {IMAGE: b"x", "LOC_val_solution.csv": b""})
    os.truncate(tmp_path / "in/LOC_val_solution.csv", 1 << 30)
    _refused(tmp_path / "in", tmp_path, "LOC_val_solution.csv has 1073741824 bytes, too many")


def test_a_gzip_bomb_as_a_devkit(tmp_path):
    files = {"ILSVRC2012_devkit_t12/data/meta.mat": bytes(64 * MIB)}
    path = layouts.write_tar(tmp_path / layouts.DEVKIT, files)
    _refused(path, tmp_path, "meta.mat has 67108864 bytes, too many for it")


def test_a_gzipped_image_that_unpacks_without_end(tmp_path):
    content = gzip.compress(bytes(300 * MIB), 9)
    layouts.write_files(tmp_path / "in", {IMAGE: content})
    _refused(tmp_path / "in", tmp_path, "is a GZIP, not a JPEG and is cut short, too large")
