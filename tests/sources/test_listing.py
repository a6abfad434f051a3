"""What was found in an archive is kept, and read by the next run in place of another walk."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import source_layouts as layouts

from imnet_data.errors import SourceError
from imnet_data.machine.progress import Step
from imnet_data.sources import open_sources
from imnet_data.sources.listing import Listings


def found(path: Path, listings: Listings | None = None, **asked: Any) -> tuple[Any, set[str]]:
    """Return all that a source says and holds, and the names of what was walked for it."""
    walked = set()

    def progress(step: Step) -> None:
        if step.task.startswith("list "):
            walked.add(step.task.removeprefix("list "))

    with closing(open_sources(path, listings=listings, progress=progress, **asked)) as source:
        records = {
            split: [records[at] for at in range(len(records))]
            for split, records in source.splits.items()
        }
        told = source._replace(splits={}, containers=(), devkit=None)
        return (records, told, source.devkit and source.devkit.classes), walked


def both(folder: Path) -> Listings:
    return Listings(folder, folder)


@pytest.mark.parametrize("asked", [{}, {"boxes": True}, {"split": "val"}], ids=str)
@pytest.mark.parametrize(
    "layout",
    [layouts.official, layouts.kaggle_zip, layouts.kaggle_tar_gz, layouts.hugging_face],
    ids=lambda layout: layout.__name__,
)
def test_what_is_kept_of_archives_says_what_a_walk_says(
    layout: Callable[[Path], Path], asked: dict[str, Any], tmp_path: Path
) -> None:
    path, kept = layout(tmp_path / "source"), tmp_path / "kept"
    asked = {"spool": tmp_path / "spool", **asked}
    expected, walked = found(path, **asked)
    assert walked
    assert found(path, both(kept), **asked) == (expected, walked)
    assert found(path, both(kept), **asked) == (expected, set())
    assert len(list(kept.iterdir())) == len(walked)


def test_boxes_and_the_devkit_are_kept_too(tarballs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    expected, walked = found(tarballs, boxes=True)
    assert any("bbox" in name for name in walked)
    assert any(record.boxes for record in expected[0]["train"])
    found(tarballs, both(kept), boxes=True)
    assert found(tarballs, both(kept), boxes=True) == (expected, set())


def test_a_compressed_archive_that_is_read_in_place_is_walked_each_time(tmp_path: Path) -> None:
    path, kept = layouts.kaggle_tar_gz(tmp_path / "source"), tmp_path / "kept"
    first = found(path, both(kept))
    assert first[1] == {path.name}
    assert found(path, both(kept)) == first
    assert not kept.exists()


def test_what_is_kept_answers_no_other_question(tarballs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    found(tarballs, both(kept), split="val")
    found(tarballs, both(kept))
    for asked in ({"boxes": True}, {"split": "train"}, {"split": "val", "boxes": True}):
        expected, walked = found(tarballs, **asked)
        assert found(tarballs, both(kept), **asked) == (expected, walked)


def test_an_archive_that_was_written_to_since_is_walked_again(
    tarballs: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tarballs, tmp_path / "source"))
    kept, name = tmp_path / "kept", "ILSVRC2012_img_val.tar"
    found(source, both(kept))
    layouts.write_tar(source / name, {"ILSVRC2012_val_00000001.JPEG": layouts.val()[0].jpeg})
    (records, *_), walked = found(source, both(kept))
    assert walked == {name}
    assert [record.jpeg for record in records["val"]] == [layouts.val()[0].jpeg]


def test_what_others_have_kept_is_read_and_nothing_is_added(tarballs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    expected, walked = found(tarballs, Listings(kept, None))
    assert not kept.exists()
    assert found(tarballs, Listings(kept, tmp_path / "new")) == (expected, walked)
    assert found(tarballs, Listings(tmp_path / "new", None)) == (expected, set())


@pytest.mark.parametrize("where", [0, 200, -1])
def test_damage_to_what_is_kept_is_one_line_and_its_remedy_works(
    tarballs: Path, tmp_path: Path, where: int
) -> None:
    archive, kept = tarballs / "ILSVRC2012_img_val.tar", tmp_path / "kept"
    expected = found(archive, both(kept))
    (path,) = kept.iterdir()
    content = bytearray(path.read_bytes())
    for change in ("flipped", "cut short"):
        if change == "flipped":
            content[where] ^= 1
            path.write_bytes(content)
        else:
            os.truncate(path, where % len(content))
        with pytest.raises(SourceError, match=f"^{path}: is damaged; remove it, and run again$"):
            found(archive, both(kept))
    path.unlink()
    assert found(archive, both(kept)) == expected


def test_a_listing_whose_hash_is_right_and_that_is_none_is_one_line(
    tarballs: Path, tmp_path: Path
) -> None:
    archive, kept = tarballs / "ILSVRC2012_img_val.tar", tmp_path / "kept"
    expected = found(archive, both(kept))
    (path,) = kept.iterdir()
    content, name = path.read_bytes(), path.name.rpartition("-")[0]
    with np.load(path) as arrays:
        columns = {column: arrays[column] for column in arrays.files}
    others = [b"", b"PK", bytes(1000), content[: len(content) // 2], content[100:]]
    for changed in ({"about": None}, {"about": b"[]"}, {"about": b"{"}, {"images/val/keys": None}):
        file = io.BytesIO()
        kinds = {key: value and np.frombuffer(value, np.uint8) for key, value in changed.items()}
        np.savez(file, **{key: each for key, each in (columns | kinds).items() if each is not None})
        others.append(file.getvalue())
    for other in others:
        path.unlink()
        path = kept / f"{name}-{hashlib.sha256(other).hexdigest()}.npz"
        path.write_bytes(other)
        with pytest.raises(SourceError, match=f"^{path}: is damaged; remove it, and run again$"):
            found(archive, both(kept))
    path.unlink()
    assert found(archive, both(kept)) == expected


def test_where_a_listing_cannot_be_kept_its_folder_is_named(tarballs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    code = (
        "import resource, sys; from pathlib import Path;"
        "from imnet_data.sources.listing import Listings;"
        "from imnet_data.sources import open_sources;"
        "kept = Path(sys.argv[2]);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200));"
        "open_sources(sys.argv[1], listings=Listings(kept, kept))"
    )
    words = [sys.executable, "-c", code, str(tarballs), str(kept)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = f"SourceError: {kept}: cannot be written (File too large); make room there, then"
    assert said in done.stderr
    assert [path for path in kept.iterdir() if path.suffix == ".npz"] == []
