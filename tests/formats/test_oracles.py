"""Betons, LMDBs, TFRecords and folders against the tools that they are for."""

import io
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import kit
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imnet_data.formats import (
    Sample,
    ShardSummary,
    beton,
    caffe,
    folder,
    lmdb,
    mds,
    parquet,
    tfrecord,
)
from imnet_data.imagenet import labels
from imnet_data.record import Record


def _decode(sample: Sample) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(sample.record.jpeg)).convert("RGB"))


def test_pyarrow_reads_a_parquet_file_and_its_checksums(
    samples: list[Sample], tmp_path: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "shard.parquet"
    many = [samples[number % 7] for number in range(250)]
    offsets = kit.write(parquet, path, many)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        assert file.metadata.num_row_groups == 3
        assert [field.name for field in file.schema_arrow] == ["image", "label"]
        rows = file.read().to_pylist()
    assert [row["image"]["bytes"] for row in rows] == [sample.record.jpeg for sample in many]
    assert [row["label"] for row in rows] == [sample.label for sample in many]
    names = [f"{sample.record.key}_{sample.record.wnid}.JPEG" for sample in many]
    assert [row["image"]["path"] for row in rows] == names
    with path.open("r+b") as damaged:
        damaged.seek(offsets[200] + 9)
        damaged.write(b"!!!!")
    with (
        pq.ParquetFile(path, page_checksum_verification=True) as file,
        pytest.raises(OSError, match="CRC"),
    ):
        file.read()


def test_datasets_reads_a_parquet_file_as_images(samples: list[Sample], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    path = tmp_path / "train-00000-of-00001.parquet"
    kit.write(parquet, path, samples)
    read = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert isinstance(read.features["image"], datasets.Image)
    for row, sample in zip(read, samples, strict=True):
        assert np.array_equal(np.asarray(row["image"].convert("RGB")), _decode(sample))
        assert row["label"] == sample.label


def test_streaming_reads_an_mds_shard_by_its_index(
    samples: list[Sample], torchvision: ModuleType, tmp_path: Path
) -> None:
    del torchvision  # which streaming imports
    streaming = pytest.importorskip("streaming", reason="mosaicml-streaming is not installed")
    shards = []
    for number, part in enumerate((samples[:4], samples[4:])):
        path = tmp_path / "val" / mds.shard_name("val", number, 2)
        path.parent.mkdir(exist_ok=True)
        kit.write(mds, path, part)
        shards.append(ShardSummary(path.name, len(part), path.stat().st_size))
    for name, content in mds.split_side_files("val", shards).items():
        (tmp_path / "val" / name).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves index.json open
        read = streaming.LocalDataset(local=str(tmp_path), split="val")
    assert len(read) == len(samples)
    for number, sample in enumerate(samples):
        row = read[number]
        assert (row["key"], row["wnid"]) == (sample.record.key, sample.record.wnid)
        assert row["y"] == sample.label
        assert np.array_equal(np.asarray(row["x"].convert("RGB")), _decode(sample))


def test_liblmdb_reads_it_and_finds_every_key(samples: list[Sample], tmp_path: Path) -> None:
    liblmdb = pytest.importorskip("lmdb", reason="lmdb is not installed")
    offsets = kit.write(lmdb, tmp_path / "shard.mdb", samples)
    content = (tmp_path / "shard.mdb").read_bytes()
    with liblmdb.open(str(tmp_path / "shard.mdb"), subdir=False, readonly=True, lock=False) as env:
        assert env.stat()["entries"] == 7
        with env.begin() as transaction:
            for number, sample in enumerate(samples):
                value = transaction.get(number.to_bytes(4, "big"))
                names = sample.record.key + sample.record.wnid
                assert value[16:] == names.encode() + sample.record.jpeg
                assert content[offsets[number] :].startswith(sample.record.jpeg)


@pytest.mark.parametrize(
    ("count", "nbytes", "depth"),
    [(1, 100, 1), (300, 10, 2), (2000, 1900, 3), (3000, 5000, 2), (500, 2031, 2)],
)
@pytest.mark.parametrize("module", [lmdb, caffe])
def test_liblmdb_walks_and_extends_trees_of_any_shape(
    module: ModuleType, count: int, nbytes: int, depth: int, tmp_path: Path
) -> None:
    liblmdb = pytest.importorskip("lmdb", reason="lmdb is not installed")
    path = tmp_path / "shard.mdb"
    kit.write(module, path, kit.Made(count, nbytes=nbytes))
    with liblmdb.open(str(path), subdir=False, lock=False, map_size=1 << 28) as env:
        assert env.stat()["depth"] == depth
        assert env.info()["last_pgno"] + 1 == path.stat().st_size // 4096
        with env.begin() as transaction:
            values = [value for _, value in transaction.cursor()]
        for value, sample in zip(values, kit.Made(count, nbytes=nbytes), strict=True):
            assert sample.record.jpeg in value
        with env.begin(write=True) as transaction:  # every page is sound enough to be rewritten
            keys = [key for key, _ in transaction.cursor()]
            for key in keys[::2]:
                transaction.put(key, b"new" * nbytes)
            for key in keys[1::2]:
                transaction.delete(key)
        with env.begin() as transaction:
            assert [value for _, value in transaction.cursor()] == [b"new" * nbytes] * -(
                -count // 2
            )


def test_a_file_that_liblmdb_wrote_is_walked(samples: list[Sample], tmp_path: Path) -> None:
    liblmdb = pytest.importorskip("lmdb", reason="lmdb is not installed")
    kit.write(lmdb, tmp_path / "ours.mdb", samples)
    source, copy = str(tmp_path / "ours.mdb"), str(tmp_path / "theirs.mdb")
    with (
        liblmdb.open(source, subdir=False, readonly=True, lock=False) as env,
        liblmdb.open(copy, subdir=False, lock=False, map_size=1 << 24) as theirs,
        env.begin() as transaction,
    ):
        for key, value in transaction.cursor():
            with theirs.begin(write=True) as writing:  # one each, so that pages are freed, too
                writing.put(key, value)
    walked = kit.walk(lmdb, tmp_path / "theirs.mdb")
    assert [stored.image for stored in walked] == [sample.record.jpeg for sample in samples]


def test_dali_reads_the_caffe_layout(samples: list[Sample], tmp_path: Path) -> None:
    kit.write(caffe, tmp_path / caffe.shard_name("train", 0, 1), samples)
    images, classes = kit.dali_batch("caffe", 7, path=str(tmp_path))
    assert images == [sample.record.jpeg for sample in samples]
    found = [int.from_bytes(label, "little") for label in classes]
    assert found == [sample.label for sample in samples]


def _import_ffcv() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torch", reason="ffcv needs torch")
        pytest.importorskip("ffcv.fields", reason="ffcv is not installed")


@pytest.mark.slow
def test_ffcvs_reader_finds_header_rows_and_table(samples: list[Sample], tmp_path: Path) -> None:
    _import_ffcv()
    from ffcv.reader import Reader

    offsets = kit.write(beton, tmp_path / "shard.beton", samples)
    reader = Reader(str(tmp_path / "shard.beton"))
    assert (reader.num_samples, reader.page_size) == (7, 8 << 20)
    assert reader.field_names == ["image", "label"]
    assert reader.metadata["f0"]["data_ptr"].tolist() == offsets.tolist()
    assert reader.metadata["f0"]["width"].tolist() == [sample.width for sample in samples]
    assert reader.metadata["f1"].tolist() == [sample.label for sample in samples]
    sizes = [len(sample.record.jpeg) for sample in samples]
    assert reader.alloc_table["size"].tolist() == sizes


_LOAD = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from ffcv.fields.basics import IntDecoder
from ffcv.fields.rgb_image import CenterCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import ToTensor
size = int(sys.argv[2])
loader = Loader(sys.argv[1], batch_size=4, num_workers=1, order=OrderOption.SEQUENTIAL,
                drop_last=False, pipelines={
                    "image": [CenterCropRGBImageDecoder((size, size), 1.0), ToTensor()],
                    "label": [IntDecoder(), ToTensor()]})
images, labels = zip(*[(a.numpy().copy(), b.numpy().copy()) for a, b in loader])
np.savez(sys.argv[3], images=np.concatenate(images), labels=np.concatenate(labels))
"""


@pytest.mark.slow
def test_ffcvs_loader_gives_the_pixels_of_its_decoder(tmp_path: Path) -> None:
    """Squares are cropped to their own size; ffcv asks libjpeg-turbo for its fast DCT."""
    _import_ffcv()
    simplejpeg = pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")
    written = _square_samples(9, side=40)
    kit.write(beton, tmp_path / "shard.beton", written)
    arguments = [str(tmp_path / "shard.beton"), "40", str(tmp_path / "read.npz")]
    subprocess.run([sys.executable, "-c", _LOAD, *arguments], check=True)
    read = np.load(tmp_path / "read.npz")
    assert read["labels"].ravel().tolist() == [sample.label for sample in written]
    for image, sample in zip(read["images"], written, strict=True):
        if sample.pixels is None:
            assert np.array_equal(image, simplejpeg.decode_jpeg(sample.record.jpeg, fastdct=True))
            assert np.abs(image.astype(int) - _decode(sample)).max() <= 8  # of 255, of noise
        else:
            assert np.array_equal(image, sample.pixels)


def _square_samples(count: int, *, side: int) -> list[Sample]:
    """Return samples of noise; each third is given as pixels besides."""
    random = np.random.default_rng(5)
    samples = []
    for number in range(count):
        pixels = random.integers(0, 256, (side, side, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90, subsampling=number % 3)
        record = Record(f"n01440764_{number}", "n01440764", file.getvalue())
        raw = pixels if number % 3 == 2 else None
        samples.append(Sample(record, number % 4, side, side, raw))
    return samples


_DATASET_WRITER = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.writer import DatasetWriter
class Noise:
    def __len__(self):
        return 7
    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 256, (20 + index, 30, 3), np.uint8)
        return pixels, index
fields = {"image": RGBImageField(write_mode=sys.argv[2]), "label": IntField()}
DatasetWriter(sys.argv[1], fields, num_workers=1).from_indexed_dataset(Noise())
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["jpg", "raw"])
def test_a_beton_that_ffcv_wrote_is_walked(mode: str, tmp_path: Path) -> None:
    _import_ffcv()
    path = tmp_path / "theirs.beton"
    subprocess.run([sys.executable, "-c", _DATASET_WRITER, path, mode], check=True)
    walked = kit.walk(beton, path)
    assert [stored.label for stored in walked] == list(range(7))
    for index, stored in enumerate(walked):
        pixels = np.random.default_rng(index).integers(0, 256, (20 + index, 30, 3), np.uint8)
        if mode == "raw":
            assert stored.image == pixels.tobytes()
        else:
            assert Image.open(io.BytesIO(stored.image)).size == (30, 20 + index)


def test_the_tfrecord_package_reads_it(samples: list[Sample], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = pytest.importorskip("tfrecord.reader", reason="tfrecord is not installed")
    name = tfrecord.shard_name("val", 0, 1)
    assert name == "validation-00000-of-00001"
    kit.write(tfrecord, tmp_path / name, samples)
    examples = list(reader.tfrecord_loader(str(tmp_path / name), None))
    for example, sample in zip(examples, samples, strict=True):
        assert bytes(example["image/encoded"]) == sample.record.jpeg
        assert example["image/class/label"].tolist() == [sample.label + 1]
        assert bytes(example["image/class/synset"]).decode() == sample.record.wnid
        assert bytes(example["image/class/text"]).decode() == labels.words_of()[sample.record.wnid]
        assert bytes(example["image/filename"]).decode() == f"{sample.record.key}.JPEG"
        assert example["image/width"].tolist() == [sample.width]
        assert example["image/height"].tolist() == [sample.height]
        assert ("image/object/bbox/xmin" in example) == bool(sample.record.boxes)
        for number, box in enumerate(sample.record.boxes):
            assert example["image/object/bbox/xmax"][number] == np.float32(
                min(box.xmax / sample.width, 1)
            )
            assert example["image/object/bbox/ymin"][number] == np.float32(
                min(box.ymin / sample.height, 1)
            )


def test_the_tfrecord_index_is_that_of_the_tool(samples: list[Sample], tmp_path: Path) -> None:
    tool = pytest.importorskip("tfrecord.tools.tfrecord2idx", reason="tfrecord is not installed")
    kit.write(tfrecord, tmp_path / "shard", samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves files open
        tool.create_index(str(tmp_path / "shard"), str(tmp_path / "theirs"))
    assert (tmp_path / "shard.idx").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_dali_reads_the_tfrecord_by_its_index(samples: list[Sample], tmp_path: Path) -> None:
    pytest.importorskip("nvidia.dali", reason="nvidia-dali is not installed")
    from nvidia.dali import tfrecord as dali_tfrecord

    kit.write(tfrecord, tmp_path / "shard", samples)
    images, classes = kit.dali_batch(
        "tfrecord",
        7,
        path=str(tmp_path / "shard"),
        index_path=str(tmp_path / "shard.idx"),
        features={
            "image/encoded": dali_tfrecord.FixedLenFeature([], dali_tfrecord.string, ""),
            "image/class/label": dali_tfrecord.FixedLenFeature([1], dali_tfrecord.int64, -1),
        },
    )
    assert images == [sample.record.jpeg for sample in samples]
    found = [int.from_bytes(label, "little") for label in classes]
    assert found == [sample.label + 1 for sample in samples]


def test_torchvisions_imagefolder_reads_the_tree(
    torchvision: ModuleType, samples: list[Sample], tmp_path: Path
) -> None:
    kit.write(folder, tmp_path / "train", samples)
    (tmp_path / "train" / "manifest.jsonl.zst").write_bytes(b"beside the classes")
    dataset = torchvision.datasets.ImageFolder(str(tmp_path / "train"))
    assert dataset.classes == sorted({sample.record.wnid for sample in samples})
    found = {Path(path).stem: label for path, label in dataset.samples}
    assert found == {sample.record.key: sample.label for sample in samples}
