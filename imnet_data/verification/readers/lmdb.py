"""py-lmdb's cursor, on environments of our layout and of Caffe's; both are in docs/formats."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import lmdb

from imnet_data.formats import protobuf
from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split

_HEAD = struct.Struct("<iIHHBBH")  # label, bytes, width, height, bytes of key and wnid, version
_DATA, _LABEL = 4, 5  # fields of Caffe's Datum


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in the order of the environment's keys."""
    parse = _datum if split.format == "caffe" else _value
    for path in split.shards:
        options = {"subdir": False, "readonly": True, "lock": False}
        with lmdb.open(str(path), **options) as environment, environment.begin() as transaction:
            for key, value in transaction.cursor():
                yield parse(key, value)


def _value(key: bytes, value: bytes) -> Returned:
    del key  # the number of the record in the shard
    label, _, _, _, key_nbytes, wnid_nbytes, _ = _HEAD.unpack_from(value)
    name = value[_HEAD.size : _HEAD.size + key_nbytes].decode()
    return Returned(name, label, value[_HEAD.size + key_nbytes + wnid_nbytes :])


def _datum(key: bytes, value: bytes) -> Returned:
    fields = {field.number: field for field in protobuf.fields(value, 0, len(value))}
    data, label = fields[_DATA], fields.get(_LABEL)
    name = key.decode().partition("_")[2]
    image = value[data.start : data.stop]
    return Returned(name, -1 if label is None else label.value, image)
