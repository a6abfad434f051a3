import hashlib
import json
import random
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset import beside, description, manifest
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError, FormatError, ManifestError, SourceError
from imnet_data.record import Record
from imnet_data.verification.compare import compare
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify


def sums(root: Path) -> bytes:
    return (root / "SHA256SUMS").read_bytes()


def flip(path: Path, position: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def place_of(root: Path, split: str, index: int) -> tuple[Path, int, str]:
    """Return in which file, and where in it, the image of a record lies."""
    with Dataset.open(root, split) as dataset:
        record = dataset[index]
        shard = dataset.shard_paths[dataset.index.shard[index]]
        offset = int(dataset.index.offset[index])
    if shard.is_dir():
        return shard / record.wnid / f"{record.key}.JPEG", 0, record.key
    return shard, offset, record.key


def test_a_fresh_dataset_is_sound_and_every_image_decodes(
    made: dict[str, Path], format_name: str
) -> None:
    assert verify(made[format_name], decode=True, workers=2) == []


def test_damage_that_was_kept_is_sound_and_without_its_verdict_reported_with_its_place(
    records: list[Record], tmp_path: Path
) -> None:
    damaged, sound = records[0], records[1]
    cut = damaged.jpeg[: len(damaged.jpeg) // 2] + b"\xff\xd9"
    for record, image in ((damaged, cut), (sound, sound.jpeg)):
        path = tmp_path / "tree" / "train" / record.wnid / f"{record.key}.JPEG"
        path.parent.mkdir(parents=True)
        path.write_bytes(image)
    kept = Options(bad="keep", classes=("found",))
    convert([tmp_path / "tree"], tmp_path / "out", options=kept)
    assert verify(tmp_path / "out", decode=True) == []
    path = tmp_path / "out" / "train" / manifest.FILE_NAME
    entries = [entry._replace(verdict="") for entry in manifest.read(path)]
    manifest.write(path, (f"{manifest.to_line(entry)}\n".encode() for entry in entries))
    found = verify(tmp_path / "out", decode=True)
    [difference] = [difference for difference in found if difference.key == damaged.key]
    assert re.fullmatch(
        r"is damaged \(image data ends early at byte \d+\), the manifest says plain",
        difference.what,
    )


def test_a_flipped_bit_in_an_image_names_the_record_and_is_repaired(
    tarballs: Path, made: dict[str, Path], dataset_root: Path, format_name: str
) -> None:
    path, start, key = place_of(dataset_root, "train", 5)
    flip(path, start + 700, bit=3)
    found = verify(dataset_root)
    assert {difference.key for difference in found} >= {key}
    assert {difference.file for difference in found} == {str(path.relative_to(dataset_root))}
    assert repair(dataset_root, [tarballs], found) == [found[0].file]
    assert verify(dataset_root) == []
    assert sums(dataset_root) == sums(made[format_name])


def test_any_flipped_bit_is_found_and_repaired(
    tarballs: Path, made: dict[str, Path], dataset_root: Path, format_name: str
) -> None:
    seed = 4711
    chosen = random.Random(seed)
    pristine = made[format_name]
    about = description.read(pristine)
    files = sorted(path for path in pristine.rglob("*") if path.is_file())
    by_kind = {path.suffix if path.parent != pristine else path.name: path for path in files}
    for path in by_kind.values():
        for _ in range(2):
            target = dataset_root / path.relative_to(pristine)
            flip(target, chosen.randrange(path.stat().st_size), chosen.randrange(8))
            name = str(path.relative_to(pristine))
            if name == "dataset.json":
                continue  # may not be readable any more: looked at below
            found = verify(dataset_root)
            assert found, f"seed {seed}: {name}"
            repair(dataset_root, [tarballs], found)
            is_repaired = target.read_bytes() == path.read_bytes()
            # one beside the dataset is the user's as soon as it differs, and stays
            assert is_repaired == (name not in beside.contents(about)), f"seed {seed}: {name}"
        shutil.copyfile(path, target)
    assert verify(dataset_root) == []
    assert sums(dataset_root) == sums(pristine)


def test_every_damaged_record_is_named_not_the_first(dataset_root: Path) -> None:
    keys = set()
    for index in (2, 30, 31, 90):
        path, start, key = place_of(dataset_root, "train", index)
        flip(path, start + 650)
        keys.add(key)
    assert {difference.key for difference in verify(dataset_root)} >= keys


def test_a_truncated_shard_is_an_error_for_each_record_it_lost(
    made: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("webdataset", "tfrecord", "beton", "lmdb"):
        root = Path(shutil.copytree(made[name], tmp_path / name))
        with Dataset.open(root, "train") as dataset:
            shard = dataset.shard_paths[0]
            lost = [dataset[i].key for i in range(len(dataset)) if dataset.index.shard[i] == 0][-1]
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
        assert lost in {difference.key for difference in verify(root)}
        with Dataset.open(root, "train") as dataset, pytest.raises(FormatError, match=shard.name):
            list(dataset)


def test_a_missing_file_is_found_and_repaired(
    tarballs: Path, made: dict[str, Path], dataset_root: Path, format_name: str
) -> None:
    shard, _, _ = place_of(dataset_root, "val", 0)
    shard.unlink()
    (dataset_root / "train" / "index.npy").unlink()
    found = verify(dataset_root)
    repaired = repair(dataset_root, [tarballs], found)
    assert repaired == ["train/index.npy", str(shard.relative_to(dataset_root))]
    assert verify(dataset_root) == []
    assert sums(dataset_root) == sums(made[format_name])


def test_a_dataset_of_another_format_repairs_as_well(made: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(made["beton"], tmp_path / "beton"))
    path, start, _ = place_of(root, "train", 9)
    flip(path, start + 650)
    repair(root, [made["tfrecord"]], verify(root))
    assert verify(root) == []


def test_a_damaged_manifest_is_made_again(
    tarballs: Path, made: dict[str, Path], dataset_root: Path, format_name: str
) -> None:
    path = dataset_root / "train" / manifest.FILE_NAME
    path.write_bytes(path.read_bytes()[:-9])
    found = verify(dataset_root)
    assert {difference.file for difference in found} == {f"train/{manifest.FILE_NAME}"}
    assert repair(dataset_root, [tarballs], found) == [f"train/{manifest.FILE_NAME}"]
    assert sums(dataset_root) == sums(made[format_name])


def test_a_source_with_other_records_changes_nothing(
    made: dict[str, Path], dataset_root: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(made["folder"], tmp_path / "other"))
    path, start, key = place_of(dataset_root, "train", 5)
    flip(path, start + 650)
    damaged = path.read_bytes()
    image = next((other / "train").rglob(f"{key}.JPEG"))
    flip(image, 660)
    found = verify(dataset_root)
    with pytest.raises(ConvertError, match=f"gives another {key} than the dataset had; nothing is"):
        repair(dataset_root, [other], found)
    assert path.read_bytes() == damaged
    assert not (dataset_root / ".part").exists()


def test_a_damaged_description_is_one_clear_error(dataset_root: Path) -> None:
    path = dataset_root / "dataset.json"
    for content in (b"", b"{", b"[]", path.read_bytes()[:-2], b'{"version": 1}', b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(ManifestError, match=r"dataset\.json"):
            verify(dataset_root)
    path.unlink()
    with pytest.raises(ManifestError, match="not a dataset"):
        verify(dataset_root)


def test_a_description_whose_names_lead_elsewhere_is_refused(
    made: dict[str, Path], tmp_path: Path, tarballs: Path
) -> None:
    """--force removes the folders of the splits: they must be folders of the dataset."""
    (tmp_path / "precious").mkdir()
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    content = (root / "dataset.json").read_text()
    shard = Dataset.open(root, "train").shard_paths[0].name
    for name, other in (("train", "../precious"), ("train", "/etc"), (shard, f"../{shard}")):
        (root / "dataset.json").write_text(content.replace(f'"{name}"', f'"{other}"'))
        with pytest.raises(ManifestError, match="is not the name of a split or shard"):
            verify(root)
        # lmdb: what else lies beside dataset.json in webdataset follows from it, and would stay
        convert([tarballs], root, format="lmdb", force=True, options=Options(limit=3))
        assert (tmp_path / "precious").is_dir()


def test_a_label_that_was_changed_everywhere_is_still_found(dataset_root: Path) -> None:
    path = dataset_root / "labels.tsv"
    path.write_bytes(path.read_bytes().replace(b"tench", b"carp"))
    lines = (dataset_root / "SHA256SUMS").read_text().splitlines()
    lines[-1] = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  labels.tsv"
    (dataset_root / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    assert [difference.file for difference in verify(dataset_root)] == ["labels.tsv"]


def test_comparing_names_what_differs(made: dict[str, Path], tmp_path: Path) -> None:
    assert compare(made["lmdb"], made["beton"]) == []
    assert {difference.file for difference in compare(made["lmdb"], made["lmdb"])} == set()


def test_the_command_says_what_is_wrong_and_ends_with_1(tarballs: Path, dataset_root: Path) -> None:
    runner = CliRunner()
    sound = runner.invoke(main, ["verify", str(dataset_root)])
    assert (sound.exit_code, sound.output) == (0, f"{dataset_root}: sound\n")
    path, start, key = place_of(dataset_root, "val", 3)
    flip(path, start + 650)
    broken = runner.invoke(main, ["verify", str(dataset_root), "--json"])
    assert broken.exit_code == 1
    report = json.loads(broken.stdout)[str(dataset_root)]
    assert not report["sound"]
    assert key in {difference["key"] for difference in report["differences"]}
    mended = runner.invoke(main, ["verify", str(dataset_root), "--repair", str(tarballs)])
    assert mended.exit_code == 0
    assert f"{path}: rebuilt" in mended.output
    assert runner.invoke(main, ["verify"]).exit_code == 2


def test_the_command_compares_with_another_dataset(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    runner = CliRunner()
    words = ["verify", str(made["lmdb"]), "--against"]
    assert runner.invoke(main, [*words, str(made["tfrecord"])]).exit_code == 0
    convert([tarballs], tmp_path / "less", options=Options(limit=20))
    differing = runner.invoke(main, [*words, str(tmp_path / "less")])
    assert differing.exit_code == 1
    assert differing.output.count(f"is not in {tmp_path / 'less'}") == 4 * 37 - 20


def test_the_command_checks_official_archives(
    tarballs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = CliRunner()
    official = runner.invoke(main, ["verify", str(tarballs / "ILSVRC2012_img_val.tar")])
    assert official.exit_code == 1
    assert "published is 29b22e2961454d5413ddabcf34fc5622" in official.output
    assert "49980 of 50000 images of val are missing" in official.output
    other = tmp_path / "mine.tar"
    shutil.copyfile(tarballs / "ILSVRC2012_img_val.tar", other)
    unknown = runner.invoke(main, ["verify", str(other)])
    assert (
        "its name is not a published one, so there is no size or MD5 to compare with" in caplog.text
    )
    assert unknown.stdout.startswith(f"{other}: 49980 of 50000 images of val are missing")


def test_python_verifies_tarballs_and_folders_of_them_as_the_command_does(
    tarballs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    name = "ILSVRC2012_img_val.tar"
    alone = verify(tarballs / name, progress=lambda step: seen.append(step.task))
    assert f"hash {name}" in seen
    assert {difference.file for difference in alone} == {""}
    shutil.copyfile(tarballs / name, tarballs / "mine.tar")
    try:
        together = verify(tarballs)
    finally:
        (tarballs / "mine.tar").unlink()
    assert "mine.tar: left out, because its name is not a published one" in caplog.text
    assert {difference.file for difference in together} >= {
        path.name for path in tarballs.iterdir()
    }
    assert [one for one in together if one.file == name] == [
        one._replace(file=name) for one in alone
    ]
    printed = CliRunner().invoke(main, ["verify", str(tarballs)]).stdout
    assert printed.splitlines() == [
        *(f"{tarballs}/{one.file}: {one.what}" for one in together),
        f"{tarballs}: {len(together)} differences",
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="not a dataset"):
        verify(tmp_path / "empty")
    with pytest.raises(SourceError, match="no such file or folder"):
        verify(tmp_path / "nowhere")
