"""A repair ends in the bytes that a dataset had, or changes nothing and says so."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify

SMALL = Options(limit=6, shard_nbytes=9_000)


def mend(root: Path, *sources: Path) -> Result:
    words = [word for source in sources for word in ("--repair", str(source))]
    return CliRunner().invoke(main, ["verify", str(root), *words, "--workers", "1"])


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def put(root: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for name, each in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(each)


def flip(path: Path, chosen: random.Random) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[chosen.randrange(len(damaged))] ^= 1 << chosen.randrange(8)
    path.write_bytes(damaged)


@pytest.mark.parametrize("name", ["webdataset", "folder"])
@pytest.mark.parametrize(
    "file",
    ["dataset.json", "SHA256SUMS", "labels.tsv", "val/manifest.jsonl.zst", "train/index.npy"],
)
def test_any_flipped_bit_is_undone(tarballs: Path, tmp_path: Path, name: str, file: str) -> None:
    seed = 250
    chosen, root = random.Random(f"{seed}{file}{name}"), tmp_path / "dataset"
    convert([tarballs], root, format=name, options=SMALL, workers=1)
    sound = content(root)
    for number in range(10):
        flip(root / file, chosen)
        assert mend(root).exit_code == 1, f"seed {seed}, flip {number} was not seen"
        result = mend(root, tarballs)
        assert result.exit_code == 0, f"seed {seed}, flip {number}: {result.output}"
        assert content(root) == sound, f"seed {seed}, flip {number}"


def test_two_flipped_bits_are_undone_or_nothing_is_changed(tarballs: Path, tmp_path: Path) -> None:
    seed = 251
    chosen, root = random.Random(seed), tmp_path / "dataset"
    convert([tarballs], root, options=SMALL, workers=1)
    sound, undone, count = content(root), 0, 30
    files = ["dataset.json", "SHA256SUMS", "labels.tsv", "val/manifest.jsonl.zst"]
    for number in range(count):
        flip(root / chosen.choice(files), chosen)
        flip(root / chosen.choice(files), chosen)
        damaged = content(root)
        result = mend(root, tarballs)
        now = content(root)
        assert result.exit_code == (now != sound), f"seed {seed}, {number}: {result.output}"
        if now != sound:
            assert now == damaged, f"seed {seed}, {number}: changed, and not what it was"
            assert "nothing is changed" in result.output
            put(root, sound)
        undone += now == sound
    assert undone >= 0.8 * count


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("name", lambda said: said.update(name="imagenet-a")),
        ("sources", lambda said: said["sources"][0].update(name="ILSVRC2012_img_train_t3.tar")),
        ("options", lambda said: said["options"].update(seed=11)),
        ("left_out", lambda said: said.update(left_out={"hidden files": 7})),
        ("shards", lambda said: said["splits"]["train"]["shards"].pop()),
    ],
)
def test_a_changed_description_is_made_again_and_not_believed(
    tarballs: Path, tmp_path: Path, what: str, change: Callable[[dict[str, Any]], object]
) -> None:
    root = tmp_path / "dataset"
    convert([tarballs], root, options=SMALL, workers=1)
    sound = content(root)
    said = json.loads(sound["dataset.json"])
    change(said)
    (root / "dataset.json").write_text(json.dumps(said, indent=1) + "\n")
    damaged = content(root)
    result = mend(root, tarballs)
    if what in ("options", "shards"):
        assert result.exit_code == (content(root) != sound)
        assert content(root) in (sound, damaged)
    else:
        assert content(root) == sound, result.output
    if what == "options":
        assert "dataset.json: SHA256SUMS does not say the same" in result.output
        assert "nothing is changed" in result.output


@pytest.mark.parametrize("name", ["webdataset", "folder", "beton", "caffe", "lmdb", "tfrecord"])
@pytest.mark.parametrize("kind", ["emptied", "cut", "zeroed"])
def test_a_description_that_is_lost_is_made_again(
    tarballs: Path, tmp_path: Path, name: str, kind: str
) -> None:
    root = tmp_path / "dataset"
    options = Options() if kind == "emptied" else SMALL  # what is lost is taken for the default
    convert([tarballs], root, format=name, options=options)
    sound = content(root)
    whole = sound["dataset.json"]
    damaged = {
        "emptied": b"",
        "cut": whole[: len(whole) * 2 // 3],
        "zeroed": whole[:-300] + bytes(200) + whole[-100:],
    }[kind]
    (root / "dataset.json").write_bytes(damaged)
    result = mend(root, tarballs)
    assert result.exit_code == 0, result.output
    assert content(root) == sound


def test_a_list_of_sums_that_is_lost_is_made_again_from_the_source(
    tarballs: Path, dataset_root: Path
) -> None:
    sound = content(dataset_root)
    for lost in (b"", sound["SHA256SUMS"][: len(sound["SHA256SUMS"]) // 2]):
        (dataset_root / "SHA256SUMS").write_bytes(lost)
        result = mend(dataset_root, tarballs)
        assert result.exit_code == 0, result.output
        assert content(dataset_root) == sound
    (dataset_root / "SHA256SUMS").unlink()
    assert mend(dataset_root, tarballs).exit_code == 0
    assert content(dataset_root) == sound


def test_without_sums_a_changed_description_is_not_believed(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    path = root / "dataset.json"
    path.write_bytes(path.read_bytes().replace(b'"name": "ilsvrc2012"', b'"name": "ilsvrc2013"'))
    (root / "SHA256SUMS").write_bytes(b"")
    damaged = content(root)
    result = mend(root, tarballs)
    assert result.exit_code == 1
    assert "agrees with neither; nothing is changed" in result.output
    assert content(root) == damaged


def test_a_damaged_list_of_sums_needs_no_source(made: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(made["webdataset"], tmp_path / "webdataset"))
    sound = content(root)
    chosen, nowhere = random.Random(7), tmp_path / "nowhere"
    for file in ("SHA256SUMS", "dataset.json", "labels.tsv", "train/index.npy"):
        flip(root / file, chosen)
        assert repair(root, [nowhere], verify(root) if file != "dataset.json" else []) == [file]
        assert content(root) == sound


def test_only_the_splits_that_are_damaged_have_to_be_in_the_source(
    tarballs: Path, dataset_root: Path, tmp_path: Path, format_name: str
) -> None:
    sound = content(dataset_root)
    source = tmp_path / "source"
    convert([tarballs], source, format="lmdb", split="val")
    for file in [largest(dataset_root, "val"), "val/manifest.jsonl.zst"]:
        flip(dataset_root / file, random.Random(3))
        result = mend(dataset_root, source)
        assert result.exit_code == 0, result.output
        assert content(dataset_root) == sound
    flip(dataset_root / largest(dataset_root, "train"), random.Random(3))
    refused = mend(dataset_root, source)
    assert refused.exit_code == 1
    assert "the source does not have the records of train" in refused.output


def largest(root: Path, split: str) -> str:
    """Return the name of a file of a split that holds records."""
    files = sorted(path for path in (root / split).rglob("*") if path.is_file())
    return str(max(files, key=lambda path: path.stat().st_size).relative_to(root))


def test_a_source_that_agrees_with_neither_witness_changes_nothing(
    made: dict[str, Path], tarballs: Path, tmp_path: Path
) -> None:
    """The line of a side file is another, and so is the side file."""
    root = Path(shutil.copytree(made["webdataset"], tmp_path / "webdataset"))
    side = min((root / "train").glob("*.idx"))
    side.write_bytes(b"v1.2 0\n")
    sums = root / "SHA256SUMS"
    line = next(line for line in sums.read_text().splitlines() if line.endswith(side.name))
    sums.write_text(sums.read_text().replace(line, f"{'5' * 64}{line[64:]}"))
    before = content(root)
    with pytest.raises(ConvertError, match=r"agrees with neither; nothing is changed"):
        repair(root, [tarballs], verify(root))
    assert content(root) == before
