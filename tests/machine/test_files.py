"""Files and the journals of shards."""

import hashlib
import os
import random
import resource
from pathlib import Path

import numpy as np
import pytest

from imnet_data.conversion import journal
from imnet_data.dataset import index, index_file, manifest
from imnet_data.dataset.manifest import Entry
from imnet_data.errors import ManifestError
from imnet_data.machine import files
from imnet_data.native import _native
from imnet_data.record import Box

LABELS = {"n01440764": 0, "n01443537": 1}


def entry(number: int, *, fix: str = "", boxes: int = 0) -> Entry:
    key = f"n01440764_{number}" + "x" * number
    sha256 = hashlib.sha256(key.encode()).hexdigest()
    box = Box(1, 2, 3, number + 4)
    return Entry(key, "n01440764", 5, 4, 100, sha256, number // 3, 0, fix=fix, boxes=(box,) * boxes)


ENTRIES = [
    entry(0, boxes=2),
    entry(1, fix="truncated-filled"),
    entry(2),
    entry(3, fix="png-to-jpeg"),
    entry(4, boxes=1, fix="cmyk-to-rgb"),
    entry(5, boxes=3, fix="truncated-filled"),
    entry(6),
]
OFFSETS = np.array([512, 2048, 4096, 512, 1024, 9999, 123456], np.int64)


def placed() -> list[Entry]:
    return [
        entry._replace(offset=offset)
        for entry, offset in zip(ENTRIES, OFFSETS.tolist(), strict=True)
    ]


def journals(folder: Path) -> list[tuple[Path, dict[str, int]]]:
    """Write the entries as three shards."""
    made = []
    for number, rows in enumerate((slice(0, 3), slice(3, 6), slice(6, 7))):
        path = folder / f"train-{number:06d}.json"
        writer = journal.Writer(path, LABELS)
        for each in ENTRIES[rows]:
            writer.add(each)
        assert writer.finish(OFFSETS[rows]) == journal.beside_sha256(path)
        made.append((path, writer.fixes))
    return made


def test_journals_put_together_are_the_manifest_the_digest_and_the_index(tmp_path: Path) -> None:
    made = journals(tmp_path)
    manifest.join(tmp_path / "manifest", (journal.manifest_path(path) for path, _ in made))
    assert list(manifest.read(tmp_path / "manifest")) == placed()
    assert [each for path, _ in made for each in journal.entries(path)] == placed()
    builder = index.Builder(LABELS)
    digest = manifest.digest(manifest.identity(each).encode() for each in builder.watch(placed()))
    assert manifest.digest(journal.identities(path) for path, _ in made) == digest
    joined = index.joined((journal.index_of(path), fixes) for path, fixes in made)
    for version in (1, 2):
        assert index_file.to_bytes(joined._replace(digest=digest), version=version) == (
            index_file.to_bytes(builder.index(digest), version=version)
        )


def test_journals_of_many_shards_are_put_together_with_few_files_open(tmp_path: Path) -> None:
    made = journals(tmp_path) * 50
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, before[1])
    )
    try:
        manifest.join(tmp_path / "manifest", (journal.manifest_path(path) for path, _ in made))
        joined = index.joined((journal.index_of(path), fixes) for path, fixes in made)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(joined.key) == len(list(manifest.read(tmp_path / "manifest"))) == 50 * len(ENTRIES)


def test_an_offset_is_put_in_its_place_and_nowhere_else() -> None:
    awkward = ENTRIES[0]._replace(key='"offset":0', fix='\\"offset":0')
    line = manifest.placed(manifest.to_line(awkward), 77)
    assert manifest.from_line(line) == awkward._replace(offset=77)


LINE = manifest.to_line(ENTRIES[0]).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        LINE + LINE,
        LINE + b" ",
        b"\xff" + LINE,
        *(
            LINE.replace(b"}", b"," + field + b"}")
            for field in (
                b'"wnid":[]',
                b'"key":5',
                b'"key":"\\ud800"',
                b'"sha256":""',
                b'"sha256":7',
                b'"stored_sha256":[1]',
                b'"stored":"as it was"',
                b'"fix":[]',
                b'"boxes":5',
                b'"boxes":[[1]]',
                b'"boxes":[["a","b","c","d"]]',
                b'"boxes":[[1,2,3,2147483648]]',
                b'"width":65536',
                b'"width":true',
                b'"width":-1',
                b'"shard":2147483648',
                b'"offset":1e3',
                b'"published_nbytes":"x"',
                b'"published_nbytes":-1',
                b'"unknown":1',
                b'"verdict":"plain"',
                b'"verdict":2',
            )
        ),
    ],
    ids=lambda line: line[-30:].decode("latin-1"),
)
def test_a_line_that_is_no_entry_is_a_manifest_error(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / manifest.FILE_NAME
    manifest.write(path, [LINE + b"\n"])
    assert [*index.Builder(LABELS).watch(manifest.read(path))] == ENTRIES[:1]
    manifest.write(path, [LINE + b"\n", line + b"\n"])
    with pytest.raises(ManifestError):
        list(index.Builder(LABELS).watch(manifest.read(path)))


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    files.write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    files.write_whole(tmp_path / "pipe", b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "pipe"]
    with pytest.raises(IsADirectoryError):
        files.write_whole(tmp_path, b"")


@pytest.mark.parametrize("chunk", [1, 63, 64, 65, 1000, 9 << 20])
def test_what_is_appended_is_written_and_hashed_as_hashlib_does(tmp_path: Path, chunk: int) -> None:
    rng = random.Random(chunk)
    whole = b""
    with files.Output(tmp_path / "file") as out:
        for _ in range(7):
            pieces = [rng.randbytes(rng.randrange(chunk + 1)) for _ in range(rng.randrange(4))]
            assert out.append(*pieces) == len(whole)
            whole += b"".join(pieces)
            content = rng.choice([b"", whole[-chunk:], rng.randbytes(chunk)])
            assert out.digests_beside(content, whole) == [
                hashlib.sha256(each).digest() for each in (content, whole)
            ]
        out.append(*[bytes([number % 256]) for number in range(1500)])  # more than one call takes
        whole += bytes(number % 256 for number in range(1500))
        assert out.hexdigest() == hashlib.sha256(whole).hexdigest()
        assert out.nbytes == len(whole)
    assert (tmp_path / "file").read_bytes() == whole


@pytest.mark.skipif(not _native.has_sha256_instructions(), reason="no SHA instructions here")
def test_streams_beside_each_other_are_hashes_of_their_own_whatever_their_lengths() -> None:
    rng = random.Random(0)
    lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 200, 1000, 4096, 5000, 9000]
    for _ in range(500):
        stream, whole = _native.Sha256(), b""
        for _ in range(rng.randrange(4)):
            contents: list[bytes | memoryview] = [
                rng.randbytes(rng.choice(lengths)) for _ in range(rng.randrange(4))
            ]
            more = rng.randbytes(rng.choice([*lengths, rng.randrange(20_000)]))
            whole += more
            cut = rng.randrange(len(more) + 1)
            beside = _native.sha256_beside(contents, stream, [more[:cut], b"", more[cut:]])
            assert beside == [hashlib.sha256(content).digest() for content in contents]
            assert stream.digest() == hashlib.sha256(whole).digest()


def test_a_file_that_the_user_names_may_be_a_pipe_but_must_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"n01440764\n")
    os.close(writing)
    assert files.read_small(Path(f"/dev/fd/{reading}")) == b"n01440764\n"
    os.close(reading)
    with pytest.raises(OSError, match="File too large: '/dev/zero'"):
        files.read_small(Path("/dev/zero"))
