"""ImageNet's other sets, in the layouts that `sources.variants` reads."""

from __future__ import annotations

import io
import zipfile
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imnet_data.archives.parquet import import_pyarrow
from imnet_data.imagenet import class_lists, labels, variants
from imnet_data.imagenet.corruptions import ALL, SEVERITIES
from imnet_data.synth.archives import tar_file
from imnet_data.synth.tool_files import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.synth.layout import Layout, Picture, Slot

    Draw = Callable[[Slot], Picture]
    Writer = Callable[[Path, Layout, Draw], None]

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_GROUPS = {
    "noise": ALL[:3],
    "blur": ALL[3:7],
    "weather": ALL[7:11],
    "digital": ALL[11:15],
    "extra": ALL[15:],
}


def _val(layout: Layout, draw: Draw, folders: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield a folder and an image for each of val's, the folders in turn."""
    for slot, folder in zip(layout.val(), cycle(folders[: len(layout.classes)]), strict=False):
        yield folder, draw(slot).data


def _write_tar(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tar_file(path) as tar:
        for name, content in files:
            tar.add(name, content)


def _write_zip(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _TIME), content)


def _folders(archive: str, root: str, folders: Sequence[str], suffix: str = "jpg") -> Writer:
    """Return what writes a set with a folder for each class."""

    def write(out: Path, layout: Layout, draw: Draw) -> None:
        drawn = _val(layout, draw, folders)
        files = (
            (f"{root}/{folder}/image {number}.{suffix}", content)
            for number, (folder, content) in enumerate(drawn)
        )
        (_write_zip if archive.endswith("zip") else _write_tar)(out / archive, files)

    return write


def _objectnet(out: Path, layout: Layout, draw: Draw) -> None:
    names = [name for name, wnids in variants.objectnet_folders().items() if wnids]
    for number, (folder, content) in enumerate(_val(layout, draw, names)):
        path = out / "objectnet-1.0" / "images" / folder / f"{number:04x}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(io.BytesIO(content)).convert("RGB").save(path)


def _corrupted(out: Path, layout: Layout, draw: Draw) -> None:
    wanted = dict.fromkeys(layout.classes, layout.val_per_class)
    chosen = []
    for number, wnid in enumerate(labels.val_wnids(), 1):
        if wanted.get(wnid, 0):
            wanted[wnid] -= 1
            chosen.append((f"{wnid}/ILSVRC2012_val_{number:08d}.JPEG", wnid))
    of_class: dict[str, list[bytes]] = {}
    for slot in layout.val():
        of_class.setdefault(layout.classes[slot.label], []).append(draw(slot).data)
    drawn = [(name, of_class[wnid].pop()) for name, wnid in chosen]
    for group, corruptions in _GROUPS.items():
        files = (
            (f"{corruption}/{severity}/{name}", content)
            for corruption in corruptions
            for severity in SEVERITIES
            for name, content in drawn
        )
        _write_tar(out / f"{group}.tar", files)


def _hard(out: Path, layout: Layout, draw: Draw) -> None:
    arrow = import_pyarrow()
    _, (_, found) = samples(layout, draw)
    columns = {
        "image": [{"bytes": each.record.jpeg, "path": None} for each in found],
        "label": [
            sorted({each.label, (each.label + number) % 1000}) for number, each in enumerate(found)
        ],
        "origin": ["synthetic"] * len(found),
        "english_label": [["synthetic"]] * len(found),
    }
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    texts, numbers = arrow.list_(arrow.string()), arrow.list_(arrow.int64())
    schema = arrow.schema(
        [("image", image), ("label", numbers), ("origin", arrow.string()), ("english_label", texts)]
    )
    (out / "data").mkdir()
    path = out / "data" / "validation-00000-of-00001.parquet"
    arrow.parquet.write_table(arrow.table(columns, schema=schema), path)


def _ten_classes(name: str) -> Writer:
    def write(out: Path, layout: Layout, draw: Draw) -> None:
        wnids = class_lists.wnids(name.partition("2")[0])

        def files() -> Iterator[tuple[str, bytes]]:
            for split, found in samples(layout, draw):
                for number, each in enumerate(found):
                    wnid = wnids[number % len(wnids)]
                    stem = each.record.key if number % 3 == 0 and split == "val" else wnid
                    yield f"{name}/{split}/{wnid}/{stem}_{number}.JPEG", each.record.jpeg

        _write_tar(out / f"{name}.tgz", files())

    return write


def _tiny(out: Path, layout: Layout, draw: Draw) -> None:
    root = "tiny-imagenet-200"

    def files() -> Iterator[tuple[str, bytes]]:
        listed = layout.classes[::-1]
        yield f"{root}/wnids.txt", "\n".join(listed).encode()
        words = labels.words_of()
        yield f"{root}/words.txt", "".join(f"{w}\t{words[w]}\n" for w in listed).encode()
        lines = []
        for split, found in samples(layout, draw):
            for number, each in enumerate(found):
                wnid, content = each.record.wnid, _square(each.record.jpeg, 64)
                if split == "train":
                    yield f"{root}/train/{wnid}/images/{wnid}_{number}.JPEG", _jpeg(content)
                else:
                    lines.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t63\t63\n")
                    yield f"{root}/val/images/val_{number}.JPEG", _jpeg(content)
                    yield f"{root}/test/images/test_{number}.JPEG", _jpeg(content)
        yield f"{root}/val/val_annotations.txt", "".join(lines).encode()

    _write_zip(out / "tiny-imagenet-200.zip", files())


def _square(content: bytes, side: int) -> Image.Image:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    return picture.resize((side, side), Image.Resampling.BOX)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _downsampled(out: Path, layout: Layout, draw: Draw) -> None:
    id_of = {wnid: number for number, wnid in enumerate(labels.wnids_of("ilsvrc"))}
    for split, found in samples(layout, draw):
        planes = [
            np.asarray(_square(each.record.jpeg, 32)).transpose(2, 0, 1).reshape(-1)
            for each in found
        ]
        arrays = {
            "data": np.array(planes, np.uint8),
            "labels": np.array([id_of[each.record.wnid] for each in found]),
            "mean": np.mean(planes, axis=0),
        }
        name = "val_data.npz" if split == "val" else "train_data_batch_1.npz"
        _write_zip(out / name, ((f"{key}.npy", _npy(array)) for key, array in arrays.items()))


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


_V2 = "imagenetv2-matched-frequency"

SETS: dict[str, Writer] = {
    "imagenetv2": _folders(f"{_V2}.tar.gz", f"{_V2}-format-val", [str(n) for n in range(1000)]),
    "imagenet-a": _folders("imagenet-a.tar", "imagenet-a", variants.wnids("imagenet-a")),
    "imagenet-r": _folders("imagenet-r.tar", "imagenet-r", variants.wnids("imagenet-r")),
    "imagenet-sketch": _folders("ImageNet-Sketch.zip", "sketch", labels.ilsvrc2012_wnids(), "JPEG"),
    "objectnet": _objectnet,
    "imagenet-c": _corrupted,
    "imagenet-o": _folders("imagenet-o.tar", "imagenet-o", variants.wnids("imagenet-o")),
    "imagenet-hard": _hard,
    "imagenette2": _ten_classes("imagenette2"),
    "imagewoof2": _ten_classes("imagewoof2"),
    "tiny-imagenet-200": _tiny,
    "downsampled": _downsampled,
}
