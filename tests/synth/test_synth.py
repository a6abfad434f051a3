import gzip
import hashlib
import io
import tarfile
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, features

from imnet_data import jpeg
from imnet_data.errors import ConvertError, SourceError
from imnet_data.imagenet import labels
from imnet_data.images.fixups import problem_of
from imnet_data.images.reencode import to_pixels
from imnet_data.synth import FILE_NAMES, images, sketch, synth, synth_from_folder
from imnet_data.synth.devkit import meta_mat
from imnet_data.synth.layout import Layout, choose_classes

TINY: dict[str, Any] = {
    "class_count": 5,
    "images_per_class": 7,
    "val_per_class": 3,
    "test_count": 4,
    "mean_nbytes": 2_000,
}

GOLDEN = {
    "ILSVRC2012_img_train.tar": "803908290014ff69",
    "ILSVRC2012_img_val.tar": "10e94acd8edb9d4e",
    "ILSVRC2012_img_test_v10102019.tar": "8bc9cc8473b73b7d",
    "ILSVRC2012_bbox_train_v2.tar.gz": "cd63d5eef9f45c1b",
    "ILSVRC2012_bbox_val_v3.tgz": "e0be52a316b1ed55",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth")
    synth(out, **TINY)
    return out


def content(archive, member):
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def members(path):
    """Names and contents of a tar archive's files, as stored."""
    with tarfile.open(path) as archive:
        return [(m.name, content(archive, m)) for m in archive if m.isfile()]


def train_images(out):
    found = []
    for _, inner in members(out / "ILSVRC2012_img_train.tar"):
        with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
            found += [(m.name, content(archive, m)) for m in archive]
    return found


def test_the_official_files_are_written_under_their_names_and_nothing_else(tiny):
    assert sorted(path.name for path in tiny.iterdir()) == sorted(FILE_NAMES)


def test_the_same_arguments_give_the_same_bytes(tiny, tmp_path):
    synth(tmp_path / "again", **TINY)
    for name in FILE_NAMES:
        assert (tmp_path / "again" / name).read_bytes() == (tiny / name).read_bytes(), name


def test_another_seed_gives_other_images_and_labels(tiny, tmp_path):
    synth(tmp_path, seed=1, **TINY)
    for name in FILE_NAMES:
        assert (tmp_path / name).read_bytes() != (tiny / name).read_bytes(), name


def test_archives_are_golden(tiny):
    if (features.version("libjpeg_turbo"), features.version("zlib_ng")) != ("3.2.0", "2.3.3"):
        pytest.skip("the hashes are of libjpeg-turbo 3.2.0 and zlib-ng 2.3.3 in Pillow")
    digests = {}
    for name in FILE_NAMES:
        data = (tiny / name).read_bytes()
        # gzip's bytes depend on Python's zlib; so do those of meta.mat, which is packed itself
        if name != "ILSVRC2012_devkit_t12.tar.gz":
            data = gzip.decompress(data) if name.endswith("gz") else data
            digests[name] = hashlib.sha256(data).hexdigest()[:16]
    assert digests == GOLDEN


def test_train_is_a_tar_of_class_tars_whose_members_are_not_padded_consecutive_or_sorted(tiny):
    classes = [name.removesuffix(".tar") for name, _ in members(tiny / FILE_NAMES[0])]
    assert classes == sorted(classes)
    assert len(classes) == 5
    assert {"n02105855", "n01739381"} < set(classes) <= set(labels.ilsvrc2012_wnids())
    names = [name for name, _ in train_images(tiny)]
    assert len(names) == len(set(names)) == 35
    numbers = [int(name.removesuffix(".JPEG").partition("_")[2]) for name in names]
    for first in range(0, 35, 7):
        gaps = np.diff(numbers[first : first + 7])
        assert (gaps > 0).all()
        assert gaps.max() > 1
        assert {name[:9] for name in names[first : first + 7]} == {classes[first // 7]}
    assert [
        f"{name[:9]}_{number}.JPEG" for name, number in zip(names, numbers, strict=True)
    ] == names
    assert names != sorted(names)


def test_val_has_each_number_once_and_is_not_in_number_order(tiny):
    names = [name for name, _ in members(tiny / "ILSVRC2012_img_val.tar")]
    assert sorted(names) == [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 16)]
    assert names != sorted(names)


def test_test_images_lie_under_a_folder(tiny):
    names = [name for name, _ in members(tiny / "ILSVRC2012_img_test_v10102019.tar")]
    assert names == [f"test/ILSVRC2012_test_{number:08d}.JPEG" for number in range(1, 5)]


@pytest.mark.parametrize("class_count", [1, 2, 10, 1000])
def test_scipy_reads_the_eight_fields_of_meta_mat_in_order(class_count):
    matlab = pytest.importorskip("scipy.io", reason="scipy is the oracle here")
    classes = choose_classes(class_count)
    file = io.BytesIO(meta_mat(classes, images_per_class=70_000))
    synsets = matlab.loadmat(file, squeeze_me=True)["synsets"]
    assert synsets.dtype.names == (
        *("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"),
        *("wordnet_height", "num_train_images"),
    )
    real = {synset.wnid: synset for synset in labels.ilsvrc2012()}
    leaves = [node for node in synsets if node["num_children"] == 0]
    assert sorted(node["WNID"] for node in leaves) == list(classes)
    for node in leaves:
        assert node["ILSVRC2012_ID"] == real[node["WNID"]].ilsvrc_id
        assert node["words"] == real[node["WNID"]].words
        assert node["children"].size == node["wordnet_height"] == 0
        assert node["num_train_images"] == 70_000
    ids = [int(node["ILSVRC2012_ID"]) for node in synsets]
    assert len(ids) == len(set(ids)) > class_count
    for node in synsets:
        if node["num_children"] > 0:
            children = set(np.atleast_1d(node["children"]).tolist())
            assert len(children) == node["num_children"]
            assert children < set(ids)


def test_torchvision_opens_train_and_val(torchvision, tiny, tmp_path, monkeypatch):
    pytest.importorskip("scipy.io", reason="torchvision reads meta.mat by scipy")
    imagenet = torchvision.datasets.imagenet
    for key, (name, _) in dict(imagenet.ARCHIVE_META).items():
        path = tiny / name
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        (tmp_path / name).symlink_to(path)
        monkeypatch.setitem(imagenet.ARCHIVE_META, key, (name, digest))
    val = imagenet.ImageNet(str(tmp_path), split="val")
    assert len(val) == 15
    assert sorted(val.targets) == sorted(list(range(5)) * 3)
    train = imagenet.ImageNet(str(tmp_path), split="train")
    assert train.wnids == sorted(train.wnids)
    assert len(train) == 35


def test_ground_truth_has_each_class_as_often_as_asked_for_in_devkit_ids(tiny):
    devkit = dict(members(tiny / "ILSVRC2012_devkit_t12.tar.gz"))
    root = "ILSVRC2012_devkit_t12"
    text = devkit[f"{root}/data/ILSVRC2012_validation_ground_truth.txt"].decode()
    assert set(devkit) > {f"{root}/readme.txt", f"{root}/data/meta.mat"}
    lines = text.splitlines()
    wnids = [name.removesuffix(".tar") for name, _ in members(tiny / FILE_NAMES[0])]
    ids = labels.integers(wnids, "ilsvrc").values()
    assert sorted(map(int, lines)) == sorted(list(ids) * 3)
    assert lines != sorted(lines, key=int)


def test_known_oddities_occur(tiny):
    train = dict(train_images(tiny))
    found = {name: problem_of(data, jpeg.examine(data)) for name, data in train.items()}
    assert {name: problem for name, problem in found.items() if problem} == {
        "n02105855_2933.JPEG": "png",
        "n01739381_1309.JPEG": "cmyk",
    }
    cmyk = Image.open(io.BytesIO(train["n01739381_1309.JPEG"]))
    assert cmyk.info["adobe_transform"] == 0
    jpegs = [Image.open(io.BytesIO(data)) for name, data in train.items() if not found[name]]
    assert sum("progressive" in image.info for image in jpegs) == 1
    assert any(image.mode == "L" for image in jpegs)
    (broken,) = (image for image in jpegs if "exif" in image.info)
    with pytest.warns(UserWarning, match="(?i)corrupt exif"):
        assert broken.getexif()[0x0112] == 6
    val = [Image.open(io.BytesIO(data)) for _, data in members(tiny / "ILSVRC2012_img_val.tar")]
    long, *others = sorted((max(image.size) for image in val), reverse=True)
    assert long > 5 * others[0]


@pytest.mark.parametrize(("classes", "count"), [(1, 1), (2, 1), (3, 1), (4, 3), (60, 2)])
def test_any_number_of_images_has_distinct_keys_and_the_oddities_there_is_room_for(classes, count):
    layout = Layout(
        seed=3,
        classes=choose_classes(classes),
        images_per_class=count,
        val_per_class=0,
        test_count=0,
    )
    slots = [slot for label in range(classes) for slot in layout.train(label)]
    assert len({slot.key for slot in slots}) == classes * count == layout.image_count
    assert list(layout.val()) == []
    oddities = sorted(slot.oddity for slot in slots if slot.oddity)
    assert len(oddities) == len(set(oddities))
    room = min(classes, 2) + min(3, max(0, (classes - 2) * count))
    assert len(oddities) == room


def text_of(element, path):
    text = element.findtext(path)
    assert text is not None, path
    return text


def test_boxes_follow_the_images_and_have_the_published_pitfalls(tiny):
    train = dict(train_images(tiny))
    val = dict(members(tiny / "ILSVRC2012_img_val.tar"))
    pitfalls = set()
    counts = []
    for name, published in (("bbox_train_v2.tar.gz", train), ("bbox_val_v3.tgz", val)):
        xmls = members(tiny / f"ILSVRC2012_{name}")
        counts.append(len(xmls))
        for path, text in xmls:
            folder, key = path.removesuffix(".xml").split("/")
            assert folder == (key[:9] if published is train else "val")
            image = Image.open(io.BytesIO(published[f"{key}.JPEG"]))
            root = ET.fromstring(text)
            width, height = (int(text_of(root, f"size/{side}")) for side in ("width", "height"))
            if root.findtext("filename") == "%s":
                pitfalls.add("file name")
            if (width, height) != image.size:
                pitfalls.add("size")
            for thing in root.findall("object"):
                if not labels.is_wnid(text_of(thing, "name")):
                    pitfalls.add("name")
                sides = (f"bndbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
                left, top, right, bottom = (int(text_of(thing, side)) for side in sides)
                if left > right:
                    pitfalls.add("inverted")
                assert 0 <= min(left, right) < max(left, right) < width
                assert 0 <= top < bottom < height
    assert counts == [14, 15]
    assert pitfalls == {"file name", "name", "inverted", "size"}


def test_sizes_and_coding_are_distributed_as_in_imagenet():
    layout = Layout(
        seed=0,
        classes=choose_classes(100),
        images_per_class=20,
        val_per_class=0,
        test_count=0,
    )
    slots = [slot for label in range(100) for slot in layout.train(label)]
    sketches = [sketch.sketch_of(slot, seed=0, scale=1.0) for slot in slots]
    shares = {
        sampling: np.mean([s.sampling == sampling for s in sketches]) for sampling in range(3)
    }
    assert 0.72 < shares[0] < 0.80  # with grey, which has no sampling
    assert 0.18 < shares[2] < 0.24
    assert 0.01 < np.mean([s.oddity == "grey" for s in sketches]) < 0.03
    assert 0.96 < np.mean([s.optimised for s in sketches]) < 0.98
    long_sides = np.array([max(s.width, s.height) for s in sketches])
    assert 0.60 < np.mean(long_sides == 500) < 0.80
    assert 900 < long_sides.max() <= 1024


@pytest.mark.slow
def test_full_size_images_have_the_bytes_and_bits_a_pixel_of_imagenet(tmp_path):
    synth(tmp_path, class_count=10, images_per_class=15, val_per_class=0, test_count=0)
    found = [(len(data), jpeg.examine(data)) for _, data in train_images(tmp_path)]
    sound = [
        (nbytes, seen.width * seen.height)
        for nbytes, seen in found
        if seen.verdict is jpeg.Verdict.PLAIN
    ]
    nbytes, area = np.array(sound).T
    assert 100_000 < nbytes.mean() < 125_000
    assert 4.0 < (8 * nbytes / area).mean() < 4.6


@pytest.mark.parametrize("mean_nbytes", [1_500, 4_000])
def test_mean_nbytes_is_met_within_a_tenth(mean_nbytes, tmp_path):
    layout = Layout(
        seed=0,
        classes=choose_classes(10),
        images_per_class=40,
        val_per_class=0,
        test_count=0,
    )
    scale = sketch.scale_of(mean_nbytes)
    slots = [slot for label in range(10) for slot in layout.train(label) if not slot.oddity]
    mean = np.mean([len(images.draw(slot, seed=0, scale=scale).data) for slot in slots])
    assert mean == pytest.approx(mean_nbytes, rel=0.1)


def test_jpegs_have_the_sampling_and_tables_that_were_decided():
    layout = Layout(
        seed=0, classes=choose_classes(6), images_per_class=40, val_per_class=0, test_count=0
    )
    seen = set()
    for label in range(6):
        for slot in layout.train(label):
            plan = sketch.sketch_of(slot, seed=0, scale=0.1)
            if not plan.oddity:
                data = images.draw(slot, seed=0, scale=0.1).data
                image = Image.open(io.BytesIO(data))
                assert image.size == (plan.width, plan.height)
                assert JpegImagePlugin.get_sampling(image) == plan.sampling
                seen.add((plan.sampling, plan.optimised))
    assert {sampling for sampling, _ in seen} == {0, 1, 2}
    assert {optimised for _, optimised in seen} == {False, True}


def test_a_class_is_told_from_its_images_by_the_nearest_mean_of_colours(tmp_path):
    synth(
        tmp_path,
        class_count=10,
        images_per_class=20,
        val_per_class=0,
        test_count=0,
        mean_nbytes=3_000,
    )
    features_of, wnids = [], []
    for name, data in train_images(tmp_path):
        pixels = Image.fromarray(to_pixels(data)).convert("YCbCr")
        chroma = np.asarray(pixels)[..., 1:].reshape(-1, 2) // 16
        counts = np.bincount(chroma[:, 0] * 16 + chroma[:, 1], minlength=256)
        features_of.append(np.sqrt(counts / counts.sum()))
        wnids.append(name[:9])
    vectors = np.array(features_of)
    _, classes = np.unique(wnids, return_inverse=True)
    held_out = np.arange(len(classes)) % 4 == 0
    means = np.array([vectors[(classes == c) & ~held_out].mean(axis=0) for c in range(10)])
    nearest = (vectors[held_out] @ means.T).argmax(axis=1)
    assert np.mean(nearest == classes[held_out]) > 0.5  # chance: 0.1


def test_720_classes_have_styles_of_their_own():
    assert len({sketch.style_of(label) for label in range(720)}) == 720


def test_images_of_a_folder_are_taken_as_they_are_and_by_class(tmp_path):
    own, any_class, broken = (
        encoded(Image.new("RGB", (40, 30), colour)) for colour in ("red", "green", "blue")
    )
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "n01440764_tench.JPEG").write_bytes(own)
    (folder / "other.jpg").write_bytes(any_class)
    (folder / "zebra.png").write_bytes(broken[:-40])
    (folder / "notes.txt").write_text("not an image")
    synth_from_folder(
        tmp_path / "out", folder, class_count=2, images_per_class=3, val_per_class=1, test_count=2
    )
    train = train_images(tmp_path / "out")
    assert [data for name, data in train if name.startswith("n01440764_")] == [own] * 3
    others = [data for name, data in train if not name.startswith("n01440764_")]
    assert sorted(others) == sorted([own, any_class, broken[:-40]])
    assert len(members(tmp_path / "out" / "ILSVRC2012_img_val.tar")) == 2


def encoded(image):
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def test_a_folder_without_images_or_none_at_all_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with pytest.raises(SourceError, match=rf"{name}: has no file that ends in \.jpeg, \.jpg"):
            synth_from_folder(tmp_path / "out", tmp_path / name)
    assert not (tmp_path / "out").exists()


def test_an_out_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConvertError, match=r"out: File exists; make room or choose another"):
        synth(tmp_path / "out", **TINY)


def test_stopping_leaves_nothing_under_a_final_name(tmp_path):
    def stop(step):
        assert (step.task, step.total) == ("synth", 35 + 15 + 4)
        if step.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synth(tmp_path, **TINY, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["ILSVRC2012_devkit_t12.tar.gz"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"class_count": 0}, "class_count is 0; allowed are integers from 1 to 1,000"),
        ({"class_count": 1001}, "class_count is 1001; allowed are integers from 1 to 1,000"),
        ({"images_per_class": 0}, "images_per_class is 0; allowed are integers from 1"),
        ({"test_count": -1}, "test_count is -1"),
        ({"mean_nbytes": 1_000}, "mean_nbytes is 1000; allowed are integers from 1,500 to 110,000"),
    ],
)
def test_impossible_arguments_are_refused(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        synth(tmp_path, **wrong)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    import tracemalloc

    peaks = []
    for count in (20, 400):
        tracemalloc.start()
        synth(
            tmp_path / str(count),
            class_count=5,
            images_per_class=count,
            val_per_class=1,
            mean_nbytes=1_500,
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
