"""Containers hold whatever bytes, keys, sizes and boxes they are given."""

import tempfile
from pathlib import Path

import kit
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imnet_data import formats
from imnet_data.formats import Sample, crc32c, protobuf
from imnet_data.record import Box, Record

_KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="./"),
    min_size=1,
    max_size=95,
)
_IMAGES = st.one_of(
    st.binary(max_size=600),
    st.builds(
        lambda seed, nbytes: seed * (nbytes // len(seed)),
        st.binary(min_size=1, max_size=9),
        st.integers(0, 30_000),
    ),
    st.sampled_from([1990, 2000, 2010, 2020, 2030, 4064, 4080, 4081, 512, 511]).map(bytes),
)
_SIDES = st.integers(1, 65_535)
_BOXES = st.lists(st.builds(Box, *[st.integers(0, 70_000)] * 4), max_size=3).map(tuple)


@st.composite
def _samples(draw: st.DrawFn) -> list[Sample]:
    keys = draw(st.lists(_KEYS, max_size=6, unique=True))
    return [
        Sample(
            Record(key, f"n{draw(st.integers(0, 99_999_999)):08d}", draw(_IMAGES), draw(_BOXES)),
            draw(st.integers(0, 30_000)),
            draw(_SIDES),
            draw(_SIDES),
        )
        for key in keys
    ]


@pytest.mark.parametrize("name", ["webdataset", "lmdb", "caffe", "tfrecord", "mds"])
@settings(max_examples=60, deadline=None)
@given(samples=_samples())
def test_whatever_is_written_is_walked_and_read(name: str, samples: list[Sample]) -> None:
    module = formats.get(name)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "shard")
        offsets = kit.write(module, path, samples)
        walked = kit.walk(module, path)
        places = [kit.place(s, offset) for s, offset in zip(samples, offsets, strict=True)]
        images = kit.read_all(module, path, places)
    assert images == [sample.record.jpeg for sample in samples]
    assert [stored.image for stored in walked] == images
    assert [stored.key for stored in walked] == [sample.record.key for sample in samples]
    assert [stored.label for stored in walked] == [sample.label for sample in samples]
    assert [stored.offset for stored in walked] == offsets.tolist()


@given(st.integers(-(2**63), 2**64 - 1))
def test_a_varint_comes_back(value: int) -> None:
    encoded = protobuf.varint(value)
    found, stop = protobuf.read_varint(encoded, 0, len(encoded))
    assert (found, stop) == (value % 2**64, len(encoded))
    with pytest.raises(ValueError, match="does not end"):
        protobuf.read_varint(encoded, 0, len(encoded) - 1)


@example(protobuf.integer(5, 7) + protobuf.head(4, 2) + b"ab")
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_value_error(message: bytes) -> None:
    try:
        fields = list(protobuf.fields(message, 0, len(message)))
    except ValueError:
        return
    assert bool(fields) == bool(message)
    assert all(0 <= field.start <= field.stop <= len(message) for field in fields)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_crc_is_linear_in_its_message(tail: bytes, nbytes: int) -> None:
    """crc(a ^ b ^ c) = crc(a) ^ crc(b) ^ crc(c) for messages of one length."""
    a, b = bytes(nbytes) + tail, bytes(range(nbytes)) + tail
    c = bytes([nbytes]) * len(a)
    mixed = bytes(x ^ y ^ z for x, y, z in zip(a, b, c, strict=True))
    parts = crc32c.crc32c(a) ^ crc32c.crc32c(b) ^ crc32c.crc32c(c)
    assert crc32c.crc32c(mixed) == parts
