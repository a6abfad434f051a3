"""JPEGs as they are to be stored, or why they stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data import jpeg
from imnet_data.dataset.description import VERSION
from imnet_data.errors import ImageError, NotPackable, NotSeekable

if TYPE_CHECKING:
    from imnet_data.dataset.description import Jpeg


class Rewriting:
    """Rewrites images to one form; the last one is kept, so that it can be asked for again."""

    def __init__(self, form: Jpeg, version: int = VERSION) -> None:
        self._form = form
        self._joined = version > 2  # of the dataset
        self._image = b""
        self._outcome = b"", ""

    def of(self, image: bytes) -> tuple[bytes, str]:
        """Return the rewritten image, b"" where it stays as it is, and then the reason, if any."""
        if self._form != "original" and image is not self._image:
            self._outcome = self._rewrite(image)
            self._image = image
        return self._outcome

    def _rewrite(self, image: bytes) -> tuple[bytes, str]:
        try:
            if self._form == "packed":
                return jpeg.pack(image), ""
            return jpeg.seekable(image, joined=self._joined), ""
        except (NotSeekable, NotPackable) as error:
            return b"", str(error).removeprefix("left as it is: ")
        except ImageError:
            return b"", "damaged, or not a JPEG"  # that was kept
