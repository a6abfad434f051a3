"""What the first part finds in archives is there for the others, which make the same plan of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imnet_data import convert_part
from imnet_data.conversion.convert import convert
from imnet_data.conversion.sharing import Place
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError, ImageError, SourceError
from imnet_data.machine.progress import Step

SHARDS = Options(shard_nbytes=64_000)


def sums(root: Path) -> bytes:
    return (root / "SHA256SUMS").read_bytes()


def walked(source: Path, out: Path, part: str, **options: Any) -> set[str]:
    """Write a part; return the names of the archives that it has walked."""
    steps: list[Step] = []
    try:
        convert_part(
            [source],
            out,
            part=part,
            workers=1,
            progress=steps.append,
            **{"options": SHARDS} | options,
        )
    finally:
        names = {step.task.removeprefix("list ") for step in steps if step.task.startswith("list ")}
    return names


@pytest.mark.parametrize("boxes", [None, True])
def test_a_part_that_takes_what_the_first_has_found_writes_the_same_bytes(
    tarballs: Path, tmp_path: Path, boxes: bool | None
) -> None:
    out, one = tmp_path / "out", tmp_path / "one"
    options = Options(shard_nbytes=64_000, boxes=boxes)
    assert "ILSVRC2012_img_train.tar" in walked(tarballs, out, "2/3", options=options)
    assert walked(tarballs, out, "1/3", options=options) == set()
    assert not (out / "dataset.json").exists()
    assert walked(tarballs, out, "3/3", options=options) == set()
    convert([tarballs], one, options=options, workers=1)
    assert sums(out) == sums(one)
    assert {path.name for path in out.iterdir()} == {path.name for path in one.iterdir()}


def test_a_part_whose_source_has_changed_walks_it_and_is_refused_by_name(
    tarballs: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tarballs, tmp_path / "tarballs"))
    out, val = tmp_path / "out", source / "ILSVRC2012_img_val.tar"
    walked(source, out, "1/2")
    before = sorted(Place(out).listings.iterdir())
    status = val.stat()
    os.utime(val, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    steps: list[Step] = []
    with pytest.raises(ConvertError, match=rf"^{val}: is not what the other parts in {out} read"):
        convert_part([source], out, part="2/2", options=SHARDS, progress=steps.append)
    assert {step.task for step in steps} == {f"list {val.name}"}
    assert sorted(Place(out).listings.iterdir()) == before


def test_a_damaged_listing_stops_a_part_in_one_line_and_its_remedy_works(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    walked(tarballs, out, "1/2")
    path = max(Place(out).listings.iterdir(), key=lambda path: path.stat().st_size)
    content = path.read_bytes()
    path.write_bytes(content[:-100] + bytes(100))
    with pytest.raises(SourceError, match=f"^{path}: is damaged; remove it, and run again$"):
        walked(tarballs, out, "2/2")
    path.unlink()
    assert walked(tarballs, out, "2/2") == {"ILSVRC2012_img_train.tar"}
    assert sums(out) == sums(made["webdataset"])


def test_a_part_of_another_version_takes_no_listing_and_is_refused_by_name(
    tarballs: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    walked(tarballs, out, "1/2")
    about = other / "imnet_data-0.0.1.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: imnet-data\nVersion: 0.0.1\n")
    code = (
        "import sys; from imnet_data import Options, convert_part;"
        f"convert_part([{str(tarballs)!r}], {str(out)!r}, part='2/2', workers=1,"
        " options=Options(shard_nbytes=64_000), progress=lambda step: print(step.task))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(other)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "list ILSVRC2012_img_train.tar" in done.stdout
    assert "another software (imnet-data" in done.stderr
    assert ", not 0.0.1" in done.stderr


def test_a_run_that_goes_on_does_not_walk_archives_again(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    out, steps = tmp_path / "out", list[Step]()
    strict = Options(shard_nbytes=64_000, bad="error")
    for _ in range(2):
        steps.clear()
        with pytest.raises(ImageError, match="--bad"):
            convert([tarballs], out, options=strict, workers=1, progress=steps.append)
    assert steps
    assert not any(step.task.startswith("list ") for step in steps)
    convert([tarballs], out, options=SHARDS, workers=1, force=True)
    assert sums(out) == sums(made["webdataset"])
