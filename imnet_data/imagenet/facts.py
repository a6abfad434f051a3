"""Published facts of ILSVRC2012 and the sets beside it: images of each split, files they come in.

Sizes and MD5 of train, val and devkit: pytorch/vision torchvision/datasets/imagenet.py,
CompVis/taming-transformers taming/data/imagenet.py. SHA-256 of val: tensorflow/datasets,
url_checksums/imagenet2012_real.txt. Of the other sets: tensorflow/datasets, url_checksums and
imagenet_v2/checksums.tsv (V2, A, R, Sketch, Imagenette, Imagewoof, downsampled);
zenodo.org/records/2235448 (C); hendrycks/natural-adv-examples (O). All others are known from third
parties.
"""

from __future__ import annotations

import re
from typing import NamedTuple

VAL_KEY = re.compile(rb"ILSVRC2012_val_(\d{8})")  # of a val image; its number counts from 1


# images of ImageNet-21k that are published and that nobody can decode: DINOv2's image_net_22k.py;
# facebookresearch/ConvNeXt issue 22; LLNL/lbann issue 123
UNDECODABLE_KEYS = frozenset({"n06470073_47249", "n02428089_710", "n04257684_9033"})


class PublishedSplit(NamedTuple):
    """How many images a split has."""

    record_count: int
    class_counts: range | None  # images of one class; None where labels were never published


SPLITS = {
    "train": PublishedSplit(1_281_167, range(732, 1301)),
    "val": PublishedSplit(50_000, range(50, 51)),
    "test": PublishedSplit(100_000, None),
}


class OfficialFile(NamedTuple):
    """One file as published."""

    name: str
    nbytes: int | None  # None where it is not known for sure
    md5: str | None
    sha256: str | None = None


OFFICIAL_FILES = (
    OfficialFile("ILSVRC2012_img_train.tar", 147_897_477_120, "1d675b47d978889d74fa0da5fadfb00e"),
    OfficialFile(
        "ILSVRC2012_img_val.tar",
        6_744_924_160,
        "29b22e2961454d5413ddabcf34fc5622",
        "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0",
    ),
    OfficialFile(
        "ILSVRC2012_devkit_t12.tar.gz",
        None,
        "fa75699e90414af021442c21a62c3abf",
        "b59243268c0d266621fd587d2018f69e906fb22875aca0e295b48cafaa927953",
    ),
    OfficialFile("ILSVRC2012_img_train_t3.tar", None, "ccaf1013018ac1037801578038d370da"),
    OfficialFile("ILSVRC2012_img_test_v10102019.tar", None, "e1b8681fff3d63731c599df9b4b6fc02"),
    OfficialFile("ILSVRC2012_img_test.tar", None, "fe64ceb247e473635708aed23ab6d839"),
    OfficialFile("ILSVRC2012_bbox_train_v2.tar.gz", None, "9271167e2176350e65cfe4e546f14b17"),
    OfficialFile("ILSVRC2012_bbox_val_v3.tgz", None, "f4cd18b5ea29fe6bbea62ec9c20d80f0"),
    OfficialFile("ILSVRC2012_bbox_train_dogs.tar.gz", None, "61ebd3cc0e4793899a841b6b27f3d6d8"),
    OfficialFile("ILSVRC2012_bbox_test_dogs.zip", None, "2dfdb2677fd9661585d17d5a5d027624"),
    OfficialFile(
        "imagenetv2-matched-frequency.tar.gz",
        1_264_079_360,
        None,
        "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
    ),
    OfficialFile(
        "imagenetv2-threshold0.7.tar.gz",
        1_249_906_176,
        None,
        "32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
    ),
    OfficialFile(
        "imagenetv2-top-images.tar.gz",
        1_245_927_936,
        None,
        "85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
    ),
    OfficialFile(
        "imagenet-a.tar",
        687_552_512,
        "c3e55429088dc681f30d81f4726b6595",
        "3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e",
    ),
    OfficialFile("imagenet-o.tar", None, "86bd7a50c1c4074fb18fc5f219d6d50b"),
    OfficialFile(
        "imagenet-r.tar",
        2_191_079_936,
        "a61312130a589d0ca1a8fca1f2bd3337",
        "18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52",
    ),
    OfficialFile(
        "ImageNet-Sketch.zip",
        7_593_573_012,
        None,
        "4d3ce6b82a7c48aabf14aeac105eb533e75707f152cc858f55bfc022031a72ed",
    ),
    OfficialFile("blur.tar", None, "2d8e81fdd8e07fef67b9334fa635e45c"),
    OfficialFile("digital.tar", None, "89157860d7b10d5797849337ca2e5c03"),
    OfficialFile("extra.tar", None, "d492dfba5fc162d8ec2c3cd8ee672984"),
    OfficialFile("noise.tar", None, "e80562d7f6c3f8834afb1ecf27252745"),
    OfficialFile("weather.tar", None, "33ffea4db4d93fe4a428c40a6ce0c25d"),
    OfficialFile("tiny-imagenet-200.zip", 248_100_043, "90528d7ca1a48142e341f4ef8d21d0de"),
    OfficialFile(
        "imagenette2.tgz",
        1_556_914_727,
        None,
        "de32de18a7d8df0114d5e2c3c14cafb9558e8f00441a73aa7953681ad02be49c",
    ),
    OfficialFile(
        "imagenette2-320.tgz",
        341_553_947,
        None,
        "5020a9130cea0348272823cb12d2db7e981c6f2afa3dce71ccd5b8013005c55e",
    ),
    OfficialFile(
        "imagenette2-160.tgz",
        98_948_031,
        None,
        "88daccb09b6fce93f45e6c09ddeb269cce705549e6bff322092a2a5a11489863",
    ),
    OfficialFile(
        "imagewoof2.tgz",
        1_343_482_285,
        None,
        "d6f2ffc7b95663f7701b94cea32db1683b9a50dd389382c7cca024e840af0379",
    ),
    OfficialFile("imagewoof2-320.tgz", 328_288_506, None),
    OfficialFile("imagewoof2-160.tgz", 92_560_471, None),
    OfficialFile("Imagenet8_train_npz.zip", 239_296_243, None),
    OfficialFile("Imagenet8_val_npz.zip", 9_327_124, None),
    OfficialFile("Imagenet16_train_npz.zip", 931_837_742, None),
    OfficialFile("Imagenet16_val_npz.zip", 36_354_395, None),
    OfficialFile("Imagenet32_train_npz.zip", 3_580_435_279, None),
    OfficialFile("Imagenet32_val_npz.zip", 139_697_668, None),
    OfficialFile("Imagenet64_train_part1_npz.zip", 6_783_426_789, None),
    OfficialFile("Imagenet64_train_part2_npz.zip", 6_780_506_068, None),
    OfficialFile("Imagenet64_val_npz.zip", 529_522_927, None),
)


def official_file(name: str) -> OfficialFile | None:
    """Return the official file of this base name, if there is one."""
    return next((file for file in OFFICIAL_FILES if file.name == name), None)
