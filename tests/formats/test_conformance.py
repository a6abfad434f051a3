"""Every format keeps every byte, writes the same bytes twice, and tells damage from data."""

import hashlib
import os
import pickle
import random
import subprocess
import sys
from contextlib import closing
from multiprocessing.pool import ThreadPool
from pathlib import Path

import kit
import numpy as np
import pytest

from imnet_data import formats
from imnet_data.errors import FormatError
from imnet_data.formats import Format, Place, Sample


def test_every_byte_comes_back_in_any_order(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    offsets = kit.write(module, tmp_path / "shard", samples)
    assert offsets.dtype == np.int64
    order = [*range(7), *random.Random(0).sample(range(7), 7)]
    places = [kit.place(samples[index], offsets[index]) for index in order]
    images = kit.read_all(module, tmp_path / "shard", places)
    assert images == [samples[index].record.jpeg for index in order]


def test_a_walk_tells_what_was_written(
    format_name: str, module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    offsets = kit.write(module, tmp_path / "shard", samples)
    walked = kit.walk(module, tmp_path / "shard")
    written = list(zip(samples, offsets, strict=True))
    if format_name == "folder":
        written.sort(key=lambda pair: (pair[0].record.wnid, pair[0].record.key))
    assert len(walked) == 7
    for stored, (sample, offset) in zip(walked, written, strict=True):
        assert stored.image == sample.record.jpeg
        assert stored.offset == offset
        assert stored.key == (sample.record.key if format_name != "beton" else None)
        holds_wnid = format_name not in {"beton", "caffe"}
        assert stored.wnid == (sample.record.wnid if holds_wnid else None)
        assert stored.label == (sample.label if format_name != "folder" else None)


def test_records_without_a_label_say_so(
    format_name: str, module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    bare = [sample._replace(record=sample.record._replace(wnid=""), label=-1) for sample in samples]
    offsets = kit.write(module, tmp_path / "shard", bare)
    walked = kit.walk(module, tmp_path / "shard")
    assert len(walked) == 7
    for stored in walked:
        assert stored.label == -1
        assert stored.wnid == (None if format_name in {"beton", "caffe"} else "")
    places = [kit.place(sample, offset) for sample, offset in zip(bare, offsets, strict=True)]
    images = kit.read_all(module, tmp_path / "shard", places)
    assert images == [sample.record.jpeg for sample in bare]


def test_an_offset_is_where_the_image_lies(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    if not module.EXTENTS:
        pytest.skip("its images are files of their own")
    offsets = kit.write(module, tmp_path / "shard", samples)
    content = (tmp_path / "shard").read_bytes()
    for sample, offset in zip(samples, offsets, strict=True):
        assert content[offset : offset + len(sample.record.jpeg)] == sample.record.jpeg


def test_the_same_samples_give_the_same_bytes(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    for name in ("first", "second"):
        kit.write(module, tmp_path / name, samples)
    assert kit.tree_bytes(tmp_path / "first") == kit.tree_bytes(tmp_path / "second")


_WRITE_ELSEWHERE = """
import pickle, sys
from pathlib import Path
import kit
from imnet_data import formats
heap = [bytearray(b"\\xa5") * size for size in range(1, 60000, 7)]
del heap
samples = pickle.loads(Path(sys.argv[1]).read_bytes())
for name in formats.FORMATS:
    kit.write(formats.get(name), Path(sys.argv[2], name), samples)
"""


def test_another_process_writes_the_same_bytes(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(pickle.dumps(samples))
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    for name in formats.FORMATS:
        kit.write(formats.get(name), tmp_path / "here" / name, samples)
    package = Path(formats.__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", _WRITE_ELSEWHERE, tmp_path / "samples", tmp_path / "there"],
        check=True,
        cwd="/",
        env={
            "PYTHONPATH": f"{package}:{Path(kit.__file__).parent}",
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Kathmandu",
            "LC_ALL": "C",
            "MALLOC_PERTURB_": "165",  # glibc fills what malloc gives and free takes
        },
    )
    assert kit.tree_bytes(tmp_path / "here") == kit.tree_bytes(tmp_path / "there")


def test_skipped_samples_leave_no_trace(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    kit.write(module, tmp_path / "plain", samples)
    planned = 400_000  # so many rows that a beton's pages would begin later
    offsets = kit.write(module, tmp_path / "skipped", kit.Announced(samples, planned=planned))
    assert len(offsets) == 7
    assert kit.tree_bytes(tmp_path / "plain") == kit.tree_bytes(tmp_path / "skipped")


def test_a_walk_lets_see_the_file_in_order(
    format_name: str, module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    rng = random.Random(0)
    images = [rng.randbytes(nbytes) for nbytes in (1, 300_000, 200_000, 60_000, 1_000_000, 9, 7)]
    large = [
        sample._replace(record=sample.record._replace(jpeg=image))
        for sample, image in zip(samples, images, strict=True)
    ]
    kit.write(module, tmp_path / "shard", large)
    walked = [bytes(stored.image) for stored in kit.walk(module, tmp_path / "shard")]
    assert sorted(walked) == sorted(images)
    pieces = kit.seen(module, tmp_path / "shard")
    if format_name == "folder":
        assert pieces == b""
        return
    whole = (tmp_path / "shard").read_bytes()
    assert whole.startswith(pieces)
    assert pieces == whole or format_name not in {"webdataset", "tfrecord"}


def test_a_file_that_shrinks_while_it_is_open_is_named(
    format_name: str, module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    if format_name == "folder":
        pytest.skip("its files are opened one by one")
    offsets = kit.write(module, tmp_path / "shard", samples)
    places = [kit.place(sample, offset) for sample, offset in zip(samples, offsets, strict=True)]
    with closing(module.open(tmp_path / "shard")) as shard:
        shard.read(places[0])
        os.truncate(tmp_path / "shard", 600)
        with pytest.raises(FormatError, match=r"shard: .*cut short at \d+ while it was open"):
            shard.read(places[6])
        with pytest.raises(FormatError, match=r"shard: "):  # a format may walk by other means
            list(shard.walk(lambda position, piece: None))


def test_a_shard_may_be_empty(module: Format, tmp_path: Path) -> None:
    assert kit.write(module, tmp_path / "shard", []).shape == (0,)
    assert kit.walk(module, tmp_path / "shard") == []


def test_an_open_shard_serves_threads_forks_and_pickles(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    offsets = kit.write(module, tmp_path / "shard", samples)
    places = [kit.place(sample, offset) for sample, offset in zip(samples, offsets, strict=True)]
    expected = [sample.record.jpeg for sample in samples]
    with closing(module.open(tmp_path / "shard")) as shard, ThreadPool(4) as threads:
        assert threads.map(shard.read, places * 20) == expected * 20
        with closing(pickle.loads(pickle.dumps(shard))) as copy:
            assert [copy.read(place) for place in places] == expected
    with closing(module.open(tmp_path / "shard")) as shard:
        shard.read(places[0])
        child = os.fork()
        if not child:
            os._exit([shard.read(place) for place in places] != expected)
        assert [shard.read(place) for place in places] == expected
        assert os.waitpid(child, 0)[1] == 0


def test_a_closed_shard_holds_no_file(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    offsets = kit.write(module, tmp_path / "shard", samples)
    before = len(list(Path("/proc/self/fd").iterdir()))
    shard = module.open(tmp_path / "shard")
    shard.read(kit.place(samples[0], offsets[0]))
    shard.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_missing_shard_is_named(module: Format, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="nowhere"):
        kit.walk(module, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content", [b"\1", b"not a shard at all" * 9999, bytes(99), bytes(range(256)) * 4096]
)
def test_a_foreign_file_is_a_format_error(module: Format, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "shard").write_bytes(content)
    with pytest.raises(FormatError, match="shard"):
        kit.walk(module, tmp_path / "shard")


def test_an_empty_file_is_no_shard(format_name: str, module: Format, tmp_path: Path) -> None:
    (tmp_path / "shard").write_bytes(b"")
    if format_name == "tfrecord":
        assert kit.walk(module, tmp_path / "shard") == []  # as TensorFlow has it
    else:
        with pytest.raises(FormatError, match="shard"):
            kit.walk(module, tmp_path / "shard")


def test_a_shard_of_another_format_is_a_format_error(
    format_name: str, module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    for other in formats.FORMATS:
        if other != format_name:
            kit.write(formats.get(other), tmp_path / other, samples)
            if {format_name, other} != {"folder", other}:
                with pytest.raises(FormatError, match=other):
                    kit.walk(module, tmp_path / other)


def _cuts(nbytes: int, offsets: list[int]) -> list[int]:
    near = [position + shift for position in [*offsets, nbytes] for shift in (-600, -4, -1, 0, 1)]
    chosen = [*range(0, 200, 7), *near, *range(0, nbytes, nbytes // 50)]
    return sorted({cut for cut in chosen if 0 < cut < nbytes})


def test_a_shard_cut_short_anywhere_is_a_format_error(
    format_name: str, module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    path = tmp_path / "shard"
    offsets = kit.write(module, path, samples)
    if not module.EXTENTS:
        pytest.skip("its images are files of their own")
    ends = _record_ends(path, module, format_name)
    for cut in reversed(_cuts(path.stat().st_size, offsets.tolist())):
        os.truncate(path, cut)
        found = kit.outcome(lambda: kit.walk(module, path))
        assert (found == "read") == (cut in ends), cut
        for sample, offset in zip(samples, offsets, strict=True):
            whole = offset + len(sample.record.jpeg) <= cut
            at = kit.place(sample, offset)
            found = kit.outcome(lambda at=at: kit.read_all(module, path, [at]))  # type: ignore[misc]
            assert found == "read" if whole else "shard" in found


def _record_ends(path: Path, module: Format, format_name: str) -> set[int]:
    """Return the sizes at which a shorter shard is sound: a TFRecord file has no end of its own."""
    if format_name != "tfrecord":
        return set()
    index = path.with_suffix(".idx").read_text()
    return {int(line.split()[0]) for line in index.splitlines()}


def test_flipped_bits_end_in_data_or_a_format_error(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    if not module.EXTENTS:
        pytest.skip("its images are files of their own")
    path = tmp_path / "shard"
    offsets = kit.write(module, path, samples[:5])
    whole = path.read_bytes()
    nonzero = np.flatnonzero(np.frombuffer(whole, np.uint8))
    inside = np.zeros(len(whole), bool)
    for sample, offset in zip(samples, offsets, strict=False):
        inside[offset : offset + len(sample.record.jpeg)] = True
    structure = [int(index) for index in nonzero if not inside[index]]
    dice = random.Random(1)
    places = [kit.place(sample, offset) for sample, offset in zip(samples, offsets, strict=False)]
    faults = 0
    for position in dice.sample(structure, min(len(structure), 250)):
        with path.open("r+b") as file:
            file.seek(position)
            file.write(bytes([whole[position] ^ 1 << dice.randrange(8)]))
        found = kit.outcome(lambda: kit.walk(module, path))
        faults += found != "read"
        assert found == "read" or str(path) in found
        kit.outcome(lambda: kit.read_all(module, path, places))
        with path.open("r+b") as file:
            file.seek(position)
            file.write(whole[position : position + 1])
    assert faults > 20


def test_a_place_beyond_the_file_is_a_format_error(
    module: Format, samples: list[Sample], tmp_path: Path
) -> None:
    kit.write(module, tmp_path / "shard", samples)
    key, wnid = samples[0].record.key, samples[0].record.wnid
    for offset, nbytes in [(2**62, 5), (-1, 5), (0, 2**50), (5, -1)]:
        with pytest.raises(FormatError, match="shard"):
            kit.read_all(module, tmp_path / "shard", [Place(key, wnid, offset, nbytes)])


def test_names_of_shards_sort_in_order_and_differ(module: Format) -> None:
    names = [module.shard_name("train", index, 12) for index in range(12)]
    assert names == sorted(set(names))
    assert all("train" in name for name in names)


_WRITE_MUCH = """
import sys
from pathlib import Path
from imnet_data import formats
from kit import Made, write
write(formats.get(sys.argv[1]), Path(sys.argv[2]), Made(2400, nbytes=110_000))
# not ru_maxrss, which a process inherits from the one that started it
status = Path('/proc/self/status').read_text()
print(int(status.split('VmHWM:')[1].split()[0]) >> 10)
"""


@pytest.mark.slow
def test_a_shard_of_256_mib_is_written_in_little_memory(format_name: str, tmp_path: Path) -> None:
    package = Path(formats.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _WRITE_MUCH, format_name, tmp_path / "shard"],
        check=True,
        env={"PYTHONPATH": f"{package}:{Path(kit.__file__).parent}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert int(done.stdout) < 150  # MiB


def test_bytes_do_not_depend_on_how_much_is_written_before(module: Format, tmp_path: Path) -> None:
    """Many records, so that trees have levels and pages fill up."""
    digests = []
    for name in ("first", "second"):
        offsets = kit.write(module, tmp_path / name, kit.Made(700, nbytes=1500))
        assert len(offsets) == 700
        content = b"".join(kit.tree_bytes(tmp_path / name).values())
        digests.append(hashlib.sha256(content).hexdigest())
    assert digests[0] == digests[1]
    images = {bytes(stored.image) for stored in kit.walk(module, tmp_path / "first")}
    assert images == {sample.record.jpeg for sample in kit.Made(700, nbytes=1500)}
