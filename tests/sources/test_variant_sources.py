import io
import tarfile
import zipfile
from urllib.parse import unquote_plus

import numpy as np
import pytest
from PIL import Image

from imnet_data import convert
from imnet_data.dataset import description
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import SourceError, SplitError
from imnet_data.imagenet import labels, variants
from imnet_data.sources import open_sources
from imnet_data.sources.left_out import Reason

WNIDS = labels.ilsvrc2012_wnids()
A, R = variants.wnids("imagenet-a"), variants.wnids("imagenet-r")


def image(kind="JPEG", size=(20, 16)):
    file = io.BytesIO()
    Image.new("RGB", size, (200, 30, 40)).save(file, kind)
    return file.getvalue()


def write_tar(path, names, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            content = image() if name.endswith(("jpg", "jpeg", "JPEG")) else b"text"
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_tree(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image("PNG" if name.endswith("png") else "JPEG"))
    return root


def contents(source):
    listing = source.splits["val"].listing
    return {key.decode(): wnid.decode() for key, wnid in zip(*listing[:2], strict=True)}


V2_ROOT = "imagenetv2-matched-frequency-format-val"
V2 = [f"{V2_ROOT}/{label}/x{label % 7}.jpeg" for label in range(1000)]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_v2_is_opened_by_content_and_its_folders_are_integers(tmp_path, mode):
    path = write_tar(tmp_path / "imagenetv2-matched-frequency.tar.gz", V2, mode)
    source = open_sources([path], spool=tmp_path / "spool")
    assert source.name == "imagenetv2-matched-frequency"
    assert source.classes == WNIDS
    assert contents(source) == {f"{n}_x{n % 7}": WNIDS[n] for n in range(1000)}
    assert source.files == ((path.name, path.stat().st_size),)
    assert f"{path.name}: has 1000 images, imagenetv2-matched-frequency has 10000" in source.notes
    source.close()


def test_folders_of_v2_sorted_as_text_would_have_988_labels_wrong():
    as_text = {folder: label for label, folder in enumerate(sorted(map(str, range(1000))))}
    assert sum(int(folder) != label for folder, label in as_text.items()) == 988


@pytest.mark.parametrize("variant", ["matched-frequency", "threshold0.7", "top-images"])
def test_each_variant_of_v2_has_its_name(tmp_path, variant):
    root = write_tree(tmp_path, [f"imagenetv2-{variant}-format-val/10/a.jpeg"])
    for path in (root, root / f"imagenetv2-{variant}-format-val"):
        source = open_sources([path])
        assert source.name == f"imagenetv2-{variant}"
        assert contents(source) == {"10_a": WNIDS[10]}


@pytest.mark.parametrize(("name", "wnid"), [("imagenet-a", A[3]), ("imagenet-r", R[5])])
def test_a_and_r_are_read_as_archive_and_as_folder(tmp_path, name, wnid):
    stem = "0.000116_digital clock _ digital+clock_0.865662"
    names = [f"{name}/README.txt", f"{name}/{wnid}/{stem}.jpg", f"{name}/{wnid}/art_0.jpg"]
    archive = write_tar(tmp_path / "renamed.tar", names)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "folder", filter="data")
    for path in (archive, tmp_path / "folder", tmp_path / "folder" / name):
        source = open_sources([path])
        found = contents(source)
        assert source.name == name
        assert source.classes == WNIDS
        assert set(found.values()) == {wnid}
        assert {unquote_plus(key.removeprefix(f"{wnid}_")) for key in found} == {stem, "art_0"}
        assert not any(set(key) & set(" ./") for key in found)
        assert source.splits["val"][0].jpeg == image()
        assert source.left_out == {"files that are no images": Reason(1, f"{name}/README.txt")}
        source.close()


def test_sketch_is_read_from_its_zip(tmp_path):
    path = tmp_path / "ImageNet-Sketch.zip"
    with zipfile.ZipFile(path, "w") as file:
        for wnid in WNIDS[:3]:
            file.writestr(f"sketch/{wnid}/sketch_0.JPEG", image())
    source = open_sources([path])
    assert source.name == "imagenet-sketch"
    assert contents(source) == {f"{wnid}_sketch_0": wnid for wnid in WNIDS[:3]}
    source.close()


def test_objectnet_has_its_own_classes_and_those_that_imagenet_lacks_are_left_out(tmp_path):
    names = ["images/alarm_clock/0a.png", "images/air_freshener/0b.png", "mappings/x.png"]
    root = write_tree(tmp_path / "objectnet-1.0", names)
    source = open_sources([root])
    assert source.name == "objectnet"
    assert contents(source) == {"alarm_clock_0a": "n02708093"}
    assert source.notes == ()
    assert source.left_out == {
        "files that are no images": Reason(1, "objectnet-1.0/mappings/x.png"),
        "images of classes that ImageNet lacks": Reason(
            1, "objectnet-1.0/images/air_freshener/0b.png"
        ),
    }


def test_a_variant_is_converted_with_the_full_class_list_and_keeps_its_name(tmp_path):
    archive = write_tar(tmp_path / "a.tar", [f"imagenet-a/{wnid}/1.jpg" for wnid in A[:7]])
    convert([archive], tmp_path / "tar", workers=1)
    about = convert([tmp_path / "tar"], tmp_path / "lmdb", format="lmdb", workers=1)
    assert about.name == description.read(tmp_path / "tar").name == "imagenet-a"
    with Dataset.open(tmp_path / "lmdb") as dataset:
        assert dataset.split == "val"
        assert dataset.classes == WNIDS
        assert [WNIDS[label] for label in dataset.labels] == list(A[:7])


def test_pictures_of_objectnet_become_jpegs_and_that_is_noted(tmp_path):
    root = write_tree(tmp_path / "objectnet-1.0", ["images/alarm_clock/0a.png"])
    about = convert([root], tmp_path / "out", workers=1)
    assert about.splits["val"].fixes == {"png-to-jpeg": 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"imagenet-a/{WNIDS[0]}/x.jpg"], "a folder that is not a class of imagenet-a"),
        ([f"imagenet-r/{WNIDS[0]}/x.jpg"], "a folder that is not a class of imagenet-r"),
        (
            [f"{V2_ROOT}/1000/x.jpeg"],
            "a folder that is not a class of imagenetv2-matched-frequency",
        ),
        ([f"{V2_ROOT}/007/x.jpeg"], "a folder that is not a class of imagenetv2-matched-frequency"),
        (["imagenet-r/README.txt"], "has no images of imagenet-r; download it again"),
        ([f"imagenet-a/{A[0]}/x.jpg"] * 2, f"{A[0]}_x is there twice: "),
    ],
)
def test_what_does_not_belong_to_a_set_is_refused(tmp_path, names, message):
    with pytest.raises(SourceError, match=message):
        open_sources([write_tar(tmp_path / "x.tar", names)])


def test_a_variant_is_the_only_source_and_has_one_split(tmp_path):
    path = write_tar(tmp_path / "r.tar", [f"imagenet-r/{R[0]}/x.jpg"])
    with pytest.raises(SourceError, match="imagenet-r, a dataset of its own; pass it as the only"):
        open_sources([path, path])
    with pytest.raises(SplitError, match="no split 'train'; there are val"):
        open_sources([path], split="train")
    source = open_sources([path], split="val")
    assert source.name == "imagenet-r"
    source.close()


def test_a_compressed_set_is_listed_without_room_to_unpack_it(tmp_path):
    source = open_sources([write_tar(tmp_path / "v2.tar.gz", V2[:3], "w:gz")])
    assert contents(source) == {f"{n}_x{n % 7}": WNIDS[n] for n in range(3)}
    source.close()


def test_ilsvrc2012_itself_is_named(records, tmp_path):
    for record in records:
        path = tmp_path / "in/train" / record.wnid / f"{record.key}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.jpeg)
    options = description.Options(classes=("found",))
    about = convert([tmp_path / "in"], tmp_path / "out", options=options, workers=1)
    assert about.name == "ilsvrc2012"
    assert np.unique(Dataset.open(tmp_path / "out").labels).tolist() == [0, 1, 2, 3]
