"""Published facts of ILSVRC2012: images of each split, and the files that they come in.

Sizes and MD5 of train, val and devkit: pytorch/vision torchvision/datasets/imagenet.py,
CompVis/taming-transformers taming/data/imagenet.py. SHA-256 of val: tensorflow/datasets,
url_checksums/imagenet2012_real.txt. All others are known from one third party each.
"""

from __future__ import annotations

import re
from typing import NamedTuple

VAL_KEY = re.compile(rb"ILSVRC2012_val_(\d{8})")  # of a val image; its number counts from 1


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
    """One file as published on image-net.org."""

    name: str
    nbytes: int | None  # None where it is not known for sure
    md5: str
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
)


def official_file(name: str) -> OfficialFile | None:
    """Return the official file of this base name, if there is one."""
    return next((file for file in OFFICIAL_FILES if file.name == name), None)
