"""ImageNet-C, -O and -Hard, Imagenette, Tiny-ImageNet and the downsampled sets, as published."""

import io
import json
import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from opened_sources import read, refused
from PIL import Image

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import SourceError
from imnet_data.imagenet import class_lists, labels, variants
from imnet_data.imagenet.corruptions import ALEXNET, ALL
from imnet_data.sources import open_sources

WNIDS, VAL = labels.ilsvrc2012_wnids(), labels.val_wnids()


def jpeg(colour=(200, 30, 40), size=(20, 16)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def write_tar(path: Path, files: dict[str, bytes], mode="w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def corrupted(*names: str, severities="12345", numbers=(1, 2)) -> dict[str, bytes]:
    return {
        f"{name}/{severity}/{VAL[number - 1]}/ILSVRC2012_val_{number:08d}.JPEG": jpeg()
        for name in names
        for severity in severities
        for number in numbers
    }


def test_the_archives_of_c_are_one_set_together_and_so_is_what_they_unpack_to(tmp_path):
    noise, extra = corrupted("gaussian_noise", "shot_noise"), corrupted("spatter")
    folder = tmp_path / "archives"
    folder.mkdir()
    tars = [write_tar(folder / "noise.tar", noise), write_tar(folder / "extra.tar", extra)]
    tree = write_tree(tmp_path / "tree", noise | extra)
    expected = read(*tars)
    assert list(expected) == ["val"]
    assert len(expected["val"]) == 3 * 5 * 2
    first = expected["val"][0]
    assert (first.key, first.wnid) == ("gaussian_noise-1-ILSVRC2012_val_00000001", VAL[0])
    assert read(folder) == read(tree) == expected
    source = open_sources(tars)
    assert source.name == "imagenet-c"
    assert any("80 of 95 corruptions and severities are not here" in n for n in source.notes)
    assert any(
        "15 of its 15 corruptions and severities do not have 50,000" in n for n in source.notes
    )
    source.close()
    assert len(ALEXNET) == 15
    assert len(ALL) == 19


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (f"gaussian_noise/6/{VAL[0]}/ILSVRC2012_val_00000001.JPEG", "is not <corruption>/<1 to 5>"),
        (f"gaussian_noise/1/{VAL[1]}/ILSVRC2012_val_00000001.JPEG", "the folder of another class"),
        (f"gaussian_noise/1/{VAL[0]}/x.JPEG", "is not <corruption>/<1 to 5>"),
    ],
)
def test_an_image_in_a_wrong_place_of_c_is_refused(name, match, tmp_path):
    message = refused(
        write_tar(tmp_path / "noise.tar", corrupted("gaussian_noise") | {name: jpeg()})
    )
    assert match in message
    assert message.startswith("Error: noise.tar: ")


def test_images_of_o_have_no_labels_as_they_are_of_no_class(tmp_path):
    wnid = variants.wnids("imagenet-o")[3]
    source = open_sources(write_tree(tmp_path / "in", {f"imagenet-o/{wnid}/a b.jpg": jpeg()}))
    assert source.name == "imagenet-o"
    record = source.splits["val"][0]
    assert (record.key, record.wnid) == (f"{wnid}_a+b", "")
    assert any("they have no labels" in note for note in source.notes)
    assert len(variants.wnids("imagenet-o")) == 200
    about = convert(tmp_path / "in", tmp_path / "out", workers=1)
    assert about.name == "imagenet-o"
    assert Dataset.open(tmp_path / "out").labels.tolist() == [-1]


@pytest.fixture
def hard(tmp_path) -> Path:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = [[0, 7], [999], [3, 4, 5]]
    columns = {
        "image": [{"bytes": jpeg((at, 0, 0)), "path": None} for at in range(3)],
        "label": rows,
        "origin": ["imagenet_v2"] * 3,
        "english_label": [["x"]] * 3,
    }
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [
            ("image", image),
            ("label", pa.list_(pa.int64())),
            ("origin", pa.string()),
            ("english_label", pa.list_(pa.string())),
        ]
    )
    folder = tmp_path / "imagenet-hard" / "data"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns, schema=schema), folder / "validation-00000-of-00001.parquet")
    return tmp_path / "imagenet-hard"


def test_all_right_labels_of_hard_are_in_the_key(hard, tmp_path):
    found = read(hard)["val"]
    assert [record.wnid for record in found] == [WNIDS[0], WNIDS[999], WNIDS[3]]
    assert variants.right_wnids(found[0].key) == (WNIDS[0], WNIDS[7])
    assert variants.right_wnids(found[2].key) == (WNIDS[3], WNIDS[4], WNIDS[5])
    file = next((hard / "data").iterdir())
    assert read(file)["val"] == found
    convert(hard, tmp_path / "a", workers=1)
    convert(tmp_path / "a", tmp_path / "b", format="lmdb", workers=1)
    with Dataset.open(tmp_path / "b") as dataset:
        assert dataset.about.name == "imagenet-hard"
        assert [record.key for record in dataset] == [record.key for record in found]
    assert (
        "3 images; the set's versions differ"
        in CliRunner().invoke(main, ["inspect", str(hard)]).output
    )
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert "damaged, or no Parquet file" in refused(hard)


def nette(name="imagenette2-160") -> dict[str, bytes]:
    wnids = class_lists.wnids(name.partition("2")[0])
    files = {f"{name}/noisy_imagenette.csv": b"path,noisy"}
    for at, wnid in enumerate(wnids):
        files[f"{name}/train/{wnid}/{wnid}_{at}.JPEG"] = jpeg()
        files[f"{name}/train/{wnid}/ILSVRC2012_val_{at + 1:08d}.JPEG"] = jpeg()
        files[f"{name}/val/{wnid}/{wnid}_9{at}.JPEG"] = jpeg()
    return files


@pytest.mark.parametrize("name", ["imagenette2", "imagenette2-160", "imagewoof2-320"])
def test_ten_classes_have_labels_of_their_own_and_images_of_both_splits(name, tmp_path):
    archive = write_tar(tmp_path / f"{name}.tgz", nette(name), "w:gz")
    tree = write_tree(tmp_path / "tree", nette(name))
    source = open_sources(tree / name)
    assert source.name == name
    assert source.classes == class_lists.wnids(name.partition("2")[0])
    assert {split: len(records) for split, records in source.splits.items()} == {
        "train": 20,
        "val": 10,
    }
    assert any("10 of its images are of ILSVRC2012's val" in note for note in source.notes)
    assert any("20 images of train" in note for note in source.notes)
    source.close()
    convert(archive, tmp_path / "out", options=Options(jpeg="original"), workers=1)
    with Dataset.open(tmp_path / "out", "train") as dataset:
        assert dataset.about.name == name
        assert sorted(set(dataset.labels.tolist())) == list(range(10))
    assert read(tree) == {
        split: read(archive, spool=tmp_path / "spool")[split] for split in ("train", "val")
    }


def test_version_1_of_imagenette_and_a_foreign_class_are_refused(tmp_path):
    tree = write_tree(tmp_path, {"imagenette/train/n01440764/a.JPEG": jpeg()})
    assert "is version 1 of this set, whose splits are others" in refused(tree)
    foreign = write_tree(tmp_path / "b", {f"imagenette2/train/{WNIDS[5]}/a.JPEG": jpeg()})
    assert "of imagenette2's ten classes" in refused(foreign)


def tiny(*, folders=False) -> dict[str, bytes]:
    root, listed = "tiny-imagenet-200", [WNIDS[9], WNIDS[2], WNIDS[5]]
    files = {
        f"{root}/wnids.txt": "\n".join(listed).encode(),
        f"{root}/words.txt": b"n00001740\tentity",
        f"{root}/val/val_annotations.txt": "".join(
            f"val_{at}.JPEG\t{wnid}\t0\t0\t9\t9\n" for at, wnid in enumerate(listed)
        ).encode(),
        f"{root}/test/images/test_0.JPEG": jpeg(),
    }
    for at, wnid in enumerate(listed):
        files[f"{root}/train/{wnid}/images/{wnid}_0.JPEG"] = jpeg((at, 0, 0))
        files[f"{root}/train/{wnid}/{wnid}_boxes.txt"] = b""
        inside = f"{wnid}/" if folders else "images/"
        files[f"{root}/val/{inside}val_{at}.JPEG"] = jpeg((at, 9, 0))
    return files


def test_tiny_is_read_as_zip_and_as_folder_and_tells_its_label_order(tmp_path):
    path = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in tiny().items():
            archive.writestr(name, content)
    expected = read(path)
    assert {split: len(records) for split, records in expected.items()} == {
        "train": 3,
        "val": 3,
        "test": 1,
    }
    assert [record.wnid for record in expected["val"]] == [WNIDS[9], WNIDS[2], WNIDS[5]]
    assert expected["test"][0].wnid == ""
    assert read(write_tree(tmp_path / "a", tiny())) == expected
    sorted_into_folders = write_tree(tmp_path / "b", tiny(folders=True))
    assert read(sorted_into_folders / "tiny-imagenet-200") == expected
    output = CliRunner().invoke(main, ["inspect", str(path)]).output
    assert "labels are positions among the sorted wnids; wnids.txt has another order" in output
    assert "0 of 3 classes have the same label" in output


def test_each_of_tinys_two_orders_is_had_by_name_and_the_other_one_is_wrong(tmp_path):
    root = write_tree(tmp_path, tiny()) / "tiny-imagenet-200"
    convert(root, tmp_path / "out", workers=1)
    with Dataset.open(tmp_path / "out", "val") as dataset:
        assert dataset.classes == tuple(sorted([WNIDS[9], WNIDS[2], WNIDS[5]]))
        assert dataset.labels.tolist() == [2, 0, 1]
        other = labels.integers(dataset.classes, str(root / "wnids.txt"))
        assert [other[record.wnid] for record in dataset] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"wnids.txt": b"n0"}, "wnids.txt is no list of wnids"),
        ({"wnids.txt": WNIDS[9].encode()}, "is not in wnids.txt"),
        ({"val/val_annotations.txt": b""}, "val_0 is not in val_annotations.txt"),
        ({"strange/a.JPEG": jpeg()}, "is neither train/<wnid>/images/"),
    ],
)
def test_what_does_not_fit_together_in_tiny_is_refused(change, match, tmp_path):
    changed = {f"tiny-imagenet-200/{name}": content for name, content in change.items()}
    assert match in refused(write_tree(tmp_path, tiny() | changed))


def batch(path: Path, numbers, *, side=8, save=np.savez, **more) -> Path:
    pixels = np.random.default_rng(len(numbers)).integers(0, 256, (len(numbers), 3 * side * side))
    arrays = {
        "data": pixels.astype(np.uint8),
        "labels": np.array(numbers),
        "mean": pixels[0],
    } | more
    save(path, **arrays)
    return path


def test_labels_of_the_downsampled_sets_are_the_devkits_and_pixels_are_exact(tmp_path):
    first = batch(tmp_path / "train_data_batch_1.npz", [1, 449, 1000])
    batch(tmp_path / "val_data.npz", [2])
    found = read(tmp_path)
    of_id = labels.wnids_of("ilsvrc")
    assert [record.wnid for record in found["train"]] == [of_id[1], "n01440764", of_id[1000]]
    assert found["train"][0].key == "train_data_batch_1_0"
    with np.load(first) as arrays:
        planes = arrays["data"].reshape(-1, 3, 8, 8)
    for record, pixels in zip(found["train"], planes, strict=True):
        picture = np.asarray(Image.open(io.BytesIO(record.jpeg)))
        assert np.array_equal(picture, pixels.transpose(1, 2, 0))
    assert read(first) == {"train": found["train"]}
    source = open_sources(tmp_path)
    assert source.name == "imagenet-8x8"
    assert any("read as the devkit's" in note for note in source.notes)
    source.close()


def test_labels_of_the_downsampled_sets_less_one_taken_for_sorted_ones_would_all_be_wrong():
    of_id, by_position = labels.wnids_of("ilsvrc")[1:], labels.wnids_of("sorted")
    assert sum(one == other for one, other in zip(of_id, by_position, strict=True)) == 0


def test_pixels_are_kept_by_keep_and_by_raw(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    batch(folder / "val_data.npz", list(range(1, 9)), side=32)
    with np.load(folder / "val_data.npz") as arrays:
        planes = arrays["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    raw = Options(bad="keep", raw=1.0)
    convert(folder, tmp_path / "raw", format="beton", options=raw, workers=1)
    with Dataset.open(tmp_path / "raw") as dataset:
        for at, record in enumerate(dataset.index.key.tolist()):
            row = int(record.decode().rpartition("_")[2])
            assert dataset.stored(at) == planes[row].tobytes()
    about = convert(folder, tmp_path / "fixed", workers=1)
    assert about.splits["val"].fixes == {"bmp-to-jpeg": 8}


def test_what_is_no_downsampled_set_is_refused(tmp_path):
    path = tmp_path / "val_data.npz"
    assert "its labels are 0 to 9, and those of the downsampled" in refused(batch(path, [0, 9]))
    assert "are those of the devkit (ilsvrc), not sorted" in refused(
        batch(path, [1, 9]), "--labels", "sorted"
    )
    assert "arrays are compressed" in refused(batch(path, [1], save=np.savez_compressed))
    assert "its data is (1, 75)" in refused(batch(path, [1], side=5))
    assert "has 2 images and labels" in refused(batch(path, [1, 2], labels=np.array([1])))
    whole = batch(path, [1, 2, 3]).read_bytes()
    for keep in (0, 40, 300, len(whole) - 30):
        path.write_bytes(whole[:keep])
        assert "val_data.npz: damaged, or not an npz" in refused(path)
    path.write_bytes(whole.replace(b"'fortran_order': False", b"'fortran_order': (((((", 1))
    assert "val_data.npz: damaged, or not an npz" in refused(path)
    batch(path, [1])
    batch(tmp_path / "train_data_batch_1.npz", [1], side=16)
    assert "has images of 8 and 16 pixels" in refused(tmp_path)


def test_compressed_arrays_are_stored_by_the_command_that_the_error_shows(tmp_path):
    path = batch(tmp_path / "val_data.npz", [1, 5], save=np.savez_compressed)
    code = refused(path).partition("python -c ")[2]
    subprocess.run([sys.executable, "-c", shlex.split(code)[0]], check=True)
    (tmp_path / "stored_val_data.npz").rename(path)
    assert len(read(path)["val"]) == 2


def test_the_zip_of_arrays_says_that_it_is_to_be_unpacked(tmp_path):
    inner = batch(tmp_path / "val_data.npz", [1])
    with zipfile.ZipFile(tmp_path / "Imagenet8_val_npz.zip", "w") as archive:
        archive.write(inner, "val_data.npz")
    assert "holds arrays (val_data.npz); unpack it" in refused(tmp_path / "Imagenet8_val_npz.zip")


def test_two_sets_are_not_mixed(tmp_path):
    noise = write_tar(tmp_path / "noise.tar", corrupted("gaussian_noise"))
    arrays = batch(tmp_path / "val_data.npz", [1])
    with pytest.raises(SourceError, match="is not of the same set as the others"):
        open_sources([noise, arrays])
    with pytest.raises(SourceError, match="a dataset of its own"):
        open_sources([noise, write_tree(tmp_path / "x", {f"train/{WNIDS[0]}/a.jpg": jpeg()})])


def test_a_set_that_says_its_classes_needs_no_labels(tmp_path):
    noise = write_tar(tmp_path / "noise.tar", corrupted("gaussian_noise"))
    result = CliRunner().invoke(main, ["inspect", str(noise), "--labels", "tf", "--json"])
    assert "--labels was not used" in json.dumps(json.loads(result.output)["report"])
