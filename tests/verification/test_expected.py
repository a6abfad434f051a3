"""What a manifest says, read by several processes at once."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from imnet_data.dataset import index, manifest
from imnet_data.dataset.manifest import Entry
from imnet_data.errors import ManifestError
from imnet_data.record import Box
from imnet_data.verification.expected import expect

CLASSES = ("n01440764", "n01443537")
COUNT = 40_000


def entries() -> list[Entry]:
    """Records with fixes that come late, and with boxes."""
    return [
        Entry(
            key=f"n01440764_{number}",
            wnid=CLASSES[number % 2],
            width=5,
            height=4,
            nbytes=100,
            sha256=hashlib.sha256(b"%d" % number).hexdigest(),
            shard=number // 9_000,
            offset=number,
            fix="" if number % 9_001 else f"fix-{9 - number // 9_001}",
            boxes=(Box(1, 2, 3, number),) * (number % 3),
            verdict="damaged" if number == 30_000 else "",
        )
        for number in range(COUNT)
    ]


def test_a_manifest_says_the_same_to_one_process_as_to_three(tmp_path: Path) -> None:
    rows = entries()
    new, old_path = (tmp_path / folder / manifest.FILE_NAME for folder in ("new", "old"))
    new.parent.mkdir()
    old_path.parent.mkdir()
    manifest.write(new, (f"{manifest.to_line(entry)}\n".encode() for entry in rows))
    manifest.write_version_1(old_path, [entry._replace(verdict="") for entry in rows])
    assert (len(manifest.parts(new)), len(manifest.parts(old_path))) == (3, 1)
    one, three, old = (
        expect(tmp_path / folder, CLASSES, workers=workers)
        for folder, workers in (("new", 1), ("new", 3), ("old", 3))
    )
    builder = index.Builder({wnid: label for label, wnid in enumerate(CLASSES)})
    digest = manifest.digest(manifest.identity(entry).encode() for entry in builder.watch(rows))
    wanted = builder.index(digest)
    for found in (one, three, old):
        assert found.columns.digest == digest
        for name in index.COLUMNS if found is not old else set(index.COLUMNS) - {"verdict"}:
            assert np.array_equal(getattr(found.columns, name), getattr(wanted, name)), name
        assert found.sha256[777].tobytes().hex() == rows[777].sha256
        assert found.fixes == builder.fixes


@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_in_any_part_is_named(tmp_path: Path, workers: int) -> None:
    rows = entries()
    rows[35_000] = rows[35_000]._replace(wnid="n99999999")
    lines = (f"{manifest.to_line(entry)}\n".encode() for entry in rows)
    manifest.write(tmp_path / manifest.FILE_NAME, lines)
    with pytest.raises(ManifestError, match="n01440764_35000: its wnid n99999999 is not in the cl"):
        expect(tmp_path, CLASSES, workers=workers)
