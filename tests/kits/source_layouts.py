"""One small ImageNet in every layout that people have it in."""

import functools
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

from imnet_data.imagenet import labels
from imnet_data.record import Record
from imnet_data.synth import devkit

VAL_WNIDS = labels.val_wnids()[:6]  # so that the package's own table has the same labels
CLASSES = tuple(sorted(set(VAL_WNIDS)))
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"


def _image(number: int) -> bytes:
    # sizes on both sides of a block, of a window of headers, and of the smallest kind
    nbytes = (1, 511, 512, 513, 20_000, 70_000, 3)[number % 7]
    return b"\xff\xd8" + (bytes(range(251)) * 300)[number % 251 :][:nbytes]


def train() -> list[Record]:
    numbers = (10026, 7, 123456)
    return [
        Record(f"{wnid}_{number}", wnid, _image(100 * at + number))
        for at, wnid in enumerate(CLASSES)
        for number in numbers
    ]


def val() -> list[Record]:
    return [
        Record(f"ILSVRC2012_val_{number:08d}", wnid, _image(number))
        for number, wnid in enumerate(VAL_WNIDS, 1)
    ]


def test_split() -> list[Record]:
    return [Record(f"ILSVRC2012_test_{number:08d}", "", _image(50 + number)) for number in (1, 2)]


test_split.__test__ = False  # type: ignore[attr-defined]


def everything() -> dict[str, list[Record]]:
    """Return all splits, each sorted by key."""
    return {
        "train": sorted(train()),
        "val": sorted(val()),
        "test": sorted(test_split()),
    }


def tar_bytes(files: dict[str, bytes], *, form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    content = tar_bytes(files)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix in (".gz", ".tgz") else content)
    return path


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@functools.cache
def devkit_files() -> dict[str, bytes]:
    return {
        "ILSVRC2012_devkit_t12/readme.txt": b"read me",
        "ILSVRC2012_devkit_t12/data/meta.mat": devkit.meta_mat(CLASSES, images_per_class=3),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": (
            devkit.ground_truth(VAL_WNIDS)
        ),
    }


def train_tar_files() -> dict[str, bytes]:
    """Return the inner archives, not in sorted order."""
    return {
        f"{wnid}.tar": tar_bytes(
            {f"{record.key}.JPEG": record.jpeg for record in train() if record.wnid == wnid}
        )
        for wnid in reversed(CLASSES)
    }


def official(root: Path) -> Path:
    write_tar(root / "ILSVRC2012_img_train.tar", train_tar_files())
    write_tar(
        root / "ILSVRC2012_img_val.tar",
        {f"{record.key}.JPEG": record.jpeg for record in reversed(val())},
    )
    write_tar(
        root / "ILSVRC2012_img_test_v10102019.tar",
        {f"test/{record.key}.JPEG": record.jpeg for record in test_split()},
    )
    write_tar(root / DEVKIT, devkit_files())
    return root


def extracted(root: Path) -> Path:
    for record in train():
        write_files(root, {f"train/{record.wnid}/{record.key}.JPEG": record.jpeg})
    for record in val():
        write_files(root, {f"val/{record.wnid}/{record.key}.JPEG": record.jpeg})
    for record in test_split():
        write_files(root, {f"test/{record.key}.JPEG": record.jpeg})
    return root


def extracted_flat(root: Path) -> Path:
    write_files(root, {f"train/{r.wnid}/{r.key}.jpg": r.jpeg for r in train()})
    write_files(root / "val", {f"{record.key}.JPEG": record.jpeg for record in val()})
    write_files(root / "test", {f"{record.key}.JPEG": record.jpeg for record in test_split()})
    return write_files(root, devkit_files())


def kaggle_files() -> dict[str, bytes]:
    images = {f"train/{record.wnid}/{record.key}": record.jpeg for record in train()}
    images |= {f"val/{record.key}": record.jpeg for record in val()}
    images |= {f"test/{record.key}": record.jpeg for record in test_split()}
    rows = [f"{record.key},{record.wnid} 1 2 30 40 " for record in val()]
    return {
        "LOC_val_solution.csv": "\n".join(["ImageId,PredictionString", *rows, ""]).encode(),
        "LOC_synset_mapping.txt": b"n01440764 tench, Tinca tinca\n",
        "ILSVRC/ImageSets/CLS-LOC/val.txt": b"ILSVRC2012_val_00000001 1\n",
        **{f"ILSVRC/Data/CLS-LOC/{name}.JPEG": jpeg for name, jpeg in images.items()},
    }


def kaggle_folder(root: Path) -> Path:
    return write_files(root, kaggle_files())


def kaggle_zip(root: Path) -> Path:
    root.mkdir(parents=True)
    path = root / "imagenet-object-localization-challenge.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for at, (name, content) in enumerate(kaggle_files().items()):
            method = zipfile.ZIP_DEFLATED if at % 2 else zipfile.ZIP_STORED
            archive.writestr(name, content, compress_type=method)
    return path


def kaggle_tar_gz(root: Path) -> Path:
    return write_tar(root / "imagenet_object_localization_patched2019.tar.gz", kaggle_files())


def hugging_face(root: Path, *, suffix: str = ".tar.gz") -> Path:
    images = train()
    for part in range(5):
        members = {f"{r.key}_{r.wnid}.JPEG": r.jpeg for r in images[part::5]}
        write_tar(root / "data" / f"train_images_{part}{suffix}", members)
    members = {f"{r.key}_{r.wnid}.JPEG": r.jpeg for r in val()}
    write_tar(root / "data" / f"val_images{suffix}", members)
    members = {f"{r.key}.JPEG": r.jpeg for r in test_split()}
    write_tar(root / "data" / f"test_images{suffix}", members)
    return root


def hugging_face_unpacked(root: Path) -> Path:
    return hugging_face(root, suffix=".tar")
