"""ImageNet-C: the val images under 19 corruptions in 5 severities, as JPEGs of 224 x 224.

    gaussian_noise/1 ... 5/<wnid>/ILSVRC2012_val_<8 digits>.JPEG

It comes as five archives, which may be given together, or unpacked into one folder or five; 15 of
the corruptions count, the other four (`extra.tar`) are for tuning. A key is
`<corruption>-<severity>-<name>`. The images are cropped already: they are not resized to be scored.

Source: hendrycks/robustness, README.md and ImageNet-C/test.py; zenodo.org/records/2235448.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.imagenet import facts, labels
from imnet_data.imagenet.corruptions import ALL, IMAGENET_C, SEVERITIES
from imnet_data.sources.left_out import NO_IMAGE
from imnet_data.sources.names import IMAGE_SUFFIXES, Named
from imnet_data.sources.variants.rules import Finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imnet_data.sources.images import Columns

ARCHIVES = ("blur.tar", "digital.tar", "extra.tar", "noise.tar", "weather.tar")


class Corrupted:
    """The rules of ImageNet-C."""

    name = IMAGENET_C
    splits = ("val",)
    texts: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._wnids = frozenset(labels.ilsvrc2012_wnids())

    def named(self, path: str) -> Named | str:
        """Return what a path says, or why the file is left out."""
        *_, corruption, severity, wnid, file = ("", "", "", *path.split("/"))
        stem, _, suffix = file.rpartition(".")
        if suffix.lower() not in IMAGE_SUFFIXES:
            return NO_IMAGE
        matched = facts.VAL_KEY.fullmatch(stem.encode())
        known = corruption in ALL and severity in SEVERITIES and wnid in self._wnids
        if not known or matched is None:
            raise SourceError(
                f"{path!r} is not <corruption>/<1 to 5>/<wnid>/ILSVRC2012_val_<8 digits>.JPEG; "
                "remove it, or download the archive again"
            )
        number = int(matched[1])
        published = labels.val_wnids()
        if not 1 <= number <= len(published) or published[number - 1] != wnid:
            raise SourceError(
                f"{path!r} lies in the folder of another class than ILSVRC2012's val image "
                f"{number} has; unpack the archive again"
            )
        return Named("val", f"{corruption}-{severity}-{stem}", wnid)

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images as they are, and notes on what is missing."""
        del texts
        groups = Counter(np.char.rpartition(found["val"].keys, b"-")[:, 0].tolist())
        whole = facts.SPLITS["val"].record_count
        partial = [name.decode() for name, count in groups.items() if count != whole]
        notes = []
        if partial:
            notes.append(
                f"{len(partial)} of its {len(groups)} corruptions and severities do not have "
                f"{whole:,} images (such as {min(partial)})"
            )
        wanted = {f"{name}-{severity}".encode() for name in ALL for severity in SEVERITIES}
        missing = sorted(wanted - groups.keys())
        if missing:
            notes.append(
                f"{len(missing)} of 95 corruptions and severities are not here (such as "
                f"{missing[0].decode()}); mCE needs 15 corruptions in all 5"
            )
        return Finished(found, labels.ilsvrc2012_wnids(), tuple(notes))
