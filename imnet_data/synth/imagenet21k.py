"""Small sets in the layouts that ImageNet-21k was published in, for tests and demonstrations.

    fall11_whole.tar            a tar of archives <wnid>.tar
    winter21_whole.tar.gz       the same below winter21_whole/, compressed
    fall11_whole/               the archives of classes, as the outer one unpacks to
    imagenet21k_resized.tar.gz  imagenet21k_train, _val and _small_classes

Beside each lies `wordnet.is_a.txt`, a hierarchy of its classes: two synsets, half of the classes
below each, and entity above them.

Every third class has one image less than the others, and every third one more, so that there is
something for `--min-images` to leave out. The known oddities occur: an image in gzip data, a PNG
called .JPEG, and `n06470073_47249.JPEG`, which is no image. Members are not in the order of names.
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Literal, NamedTuple

from imnet_data import arguments
from imnet_data.errors import ConvertError
from imnet_data.imagenet import labels
from imnet_data.machine.files import part_of, require_new
from imnet_data.machine.progress import Step, no_progress
from imnet_data.synth import images, sketch
from imnet_data.synth.archives import TarWriter, tar_file
from imnet_data.synth.layout import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress

Release = Literal["fall11", "winter21", "fall11-unpacked", "21k-resized"]
RELEASES: tuple[Release, ...] = ("fall11", "winter21", "fall11-unpacked", "21k-resized")
HIERARCHY = "wordnet.is_a.txt"
NO_IMAGE_KEY = "n06470073_47249"
_ENTITY, _HALVES = "n00001740", ("n00015388", "n00021939")
_FOLDER, _RESIZED = "fall11_whole", "imagenet21k_resized.tar.gz"
_SURPLUS = (0, -1, 1)  # images of a class more than asked for, in turn


class Image(NamedTuple):
    """One image file."""

    wnid: str
    key: str
    content: bytes


def synth_imagenet21k(
    out: StrPath,
    release: Release,
    *,
    seed: int = 0,
    class_count: int = 6,
    images_per_class: int = 6,
    val_per_class: int = 2,
    mean_nbytes: int = 3_000,
    progress: Progress = no_progress,
) -> list[str]:
    """Write a small ImageNet-21k into the folder `out`; return the names of what it wrote.

    Args:
        out: made if it is not there.
        release: one of `RELEASES`.
        seed: any integer.
        class_count: 3 to 1000, of the 21,841 classes.
        images_per_class: 3 or more; every third class has one more, every third one less.
        val_per_class: in the resized release, of the classes that are not small.
        mean_nbytes: size of the average image.
        progress: called after each class.

    Raises:
        OutputError: if `out` has files of these names, which may be the official ones.
        ConvertError: if a file cannot be written.
    """
    arguments.one_of("release", release, RELEASES)
    arguments.integer("class_count", class_count, least=3, most=1000)
    arguments.integer("images_per_class", images_per_class, least=3)
    arguments.integer("val_per_class", val_per_class, least=0, most=images_per_class - 1)
    arguments.integer("mean_nbytes", mean_nbytes, least=1_500, most=sketch.FULL_NBYTES)
    folder, classes = arguments.path("out", out), _classes(class_count)
    names = [_name(release), HIERARCHY]
    for name in names:
        for path in (folder / name, part_of(folder / name)):
            require_new(path, remedy="choose another folder")
    scale = sketch.scale_of(mean_nbytes)

    def drawn() -> Iterator[list[Image]]:
        for number, wnid in enumerate(classes):
            count = images_per_class + _SURPLUS[number % 3]
            yield [_image(wnid, number, index, seed, scale) for index in range(count)]
            progress(Step("synth", number + 1, len(classes)))

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if release == "fall11-unpacked":
            _write_unpacked(folder / names[0], drawn())
        else:
            with tar_file(folder / names[0]) as tar:
                if release == "21k-resized":
                    _add_resized(tar, drawn(), images_per_class, val_per_class)
                else:
                    _add_whole(tar, drawn(), "winter21_whole/" if release == "winter21" else "")
        (folder / HIERARCHY).write_text(_is_a(classes))
    except OSError as error:
        raise ConvertError(
            f"{error.filename or folder}: {error.strerror or error}; "
            "make room or choose another folder"
        ) from error
    return names


def _name(release: Release) -> str:
    unpacked = {"fall11-unpacked": _FOLDER, "21k-resized": _RESIZED}
    return unpacked.get(release) or f"{release}_whole.tar{'.gz' * (release == 'winter21')}"


def _classes(count: int) -> list[str]:
    """Return the class of the known non-image, and others spread evenly."""
    named = NO_IMAGE_KEY.partition("_")[0]
    synsets = {named, _ENTITY, *_HALVES}
    others = [wnid for wnid in labels.wnids_of("22k") if wnid not in synsets]
    return sorted([named, *(others[at * len(others) // (count - 1)] for at in range(count - 1))])


def _image(wnid: str, number: int, index: int, seed: int, scale: float) -> Image:
    """Return an image; numbers fall, as members are in no order."""
    key = f"{wnid}_{1000 * (number % 7) + 997 - 13 * index}"
    is_png = number == 1 and index == 0
    slot = Slot("train", 1000 * number + index, key, number, "png" if is_png else "")
    content = images.draw(slot, seed=seed, scale=scale).data
    if number == 2 and index == 1:
        content = gzip.compress(content, mtime=0)
    if index == 2 and NO_IMAGE_KEY.startswith(wnid):
        return Image(
            wnid, NO_IMAGE_KEY, b"<html><head><title>404 Not Found</title></head></html>\n"
        )
    return Image(wnid, key, content)


def _archive(of_class: list[Image]) -> bytes:
    file = io.BytesIO()
    tar = TarWriter(file)
    for image in of_class:
        tar.add(f"{image.key}.JPEG", image.content)
    tar.finish()
    return file.getvalue()


def _write_unpacked(folder: Path, classes: Iterator[list[Image]]) -> None:
    folder.mkdir()
    for of_class in classes:
        (folder / f"{of_class[0].wnid}.tar").write_bytes(_archive(of_class))


def _add_whole(tar: TarWriter, classes: Iterator[list[Image]], prefix: str) -> None:
    for of_class in classes:
        tar.add(f"{prefix}{of_class[0].wnid}.tar", _archive(of_class))


def _add_resized(tar: TarWriter, classes: Iterator[list[Image]], least: int, val: int) -> None:
    """Add the three folders; classes of fewer than `least` images are small."""
    for of_class in classes:
        in_order = sorted(of_class, key=lambda image: image.key)
        for place, image in enumerate(in_order):
            split = "val" if place < val else "train"
            split = "small_classes" if len(in_order) < least else split
            tar.add(f"imagenet21k_{split}/{image.wnid}/{image.key}.JPEG", image.content)


def _is_a(classes: list[str]) -> str:
    pairs = [(_ENTITY, half) for half in _HALVES]
    pairs += [(_HALVES[number % 2], wnid) for number, wnid in enumerate(classes)]
    return "".join(f"{parent} {child}\n" for parent, child in pairs)
