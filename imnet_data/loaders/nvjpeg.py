"""Batches decoded by torchvision: nvJPEG on a GPU, libjpeg-turbo on the CPU.

For machines without DALI, where it is asked for by name. A batch is decoded in one call; then each
image is cut and resized by itself. Order, boxes and flips are the CPU loader's, pixels are not.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg

from imnet_data import jpeg
from imnet_data.errors import ImageError
from imnet_data.loaders import geometry
from imnet_data.loaders.batch import Batch, DeviceBatch
from imnet_data.loaders.device import held, require_device
from imnet_data.loaders.jpegs import JpegReader
from imnet_data.machine.closing import Closing
from imnet_data.machine.pool import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imnet_data.dataset.opened import Dataset
    from imnet_data.loaders.jpegs import JpegBatch
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import SupportsExtents, SupportsReading
    from imnet_data.transforms import EvalRecipe, TrainRecipe

_CMYK = 4  # components; nvJPEG makes no RGB of them


class TorchvisionLoader(Closing):
    """Loader: batches of one rank, Batch on the CPU and DeviceBatch on a GPU.

    Args:
        source: the records, as `source_of(dataset)` gives them.
        recipe: what is done to the pixels.
        schedule: which records come when.
        device: where they are decoded.
        threads: that read and cut; by default one for each core that this process may use.
        cut: whether training images are cut in the compressed bytes before they are decoded.
        dataset: what `source` was made of, to be closed with the loader.
    """

    def __init__(
        self,
        source: SupportsExtents | SupportsReading,
        recipe: TrainRecipe | EvalRecipe,
        schedule: Schedule,
        *,
        device: str = "cuda",
        threads: int | None = None,
        cut: bool = True,
        dataset: Dataset | None = None,
    ) -> None:
        self.source, self.recipe, self.schedule, self.dataset = source, recipe, schedule, dataset
        self.went_whole = 0  # training images that were to be cut, and were not
        self.decoded_by_pillow = 0
        self._device = require_device(device)
        threads = cores() if threads is None else threads
        self._reader = JpegReader(source, recipe, schedule, threads=threads, cut=cut)

    def __len__(self) -> int:
        return len(self.schedule)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | DeviceBatch]:
        """Return the batches of epoch `number` from batch `start` on.

        Raises:
            ImageError: if the bytes of an image are damaged.
            FormatError: if the file that holds it does not have them.
        """
        batches = map(self._batch, self._reader.epoch(number, start=start))
        return held(batches, self._device) if self._device.type == "cuda" else batches

    def close(self) -> None:
        """End the threads and give back the files; batches that are held stay as they are."""
        self._reader.close()
        if self.dataset is not None:
            self.dataset.close()

    def _batch(self, batch: JpegBatch) -> Batch | DeviceBatch:
        self.went_whole += batch.whole
        labels = self.source.label[batch.indices].astype(np.int64)
        squares = torch.zeros((len(labels), batch.side, batch.side, 3), dtype=torch.uint8)
        if self._device.type != "cuda":
            self._fill(squares, batch)
            return Batch(squares.numpy(), labels, batch.indices)
        with self._stream():
            squares = squares.to(self._device)
            self._fill(squares, batch)
        return DeviceBatch(squares, labels, batch.indices)

    @contextlib.contextmanager
    def _stream(self) -> Iterator[None]:
        """Work beside what the GPU is doing, and wait for this work alone."""
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            yield
        stream.synchronize()

    def _fill(self, squares: Tensor, batch: JpegBatch) -> None:
        parts = zip(squares, self._decoded(batch), batch.boxes.tolist(), batch.rows, strict=True)
        for square, image, box, row in parts:
            left, upper, right, lower = box
            width, height = row[geometry.SIZE].tolist()
            resized = F.interpolate(
                image[None, :, upper:lower, left:right].float(),
                (height, width),
                mode=self.recipe.filter,
                align_corners=False,
                antialias=True,
            )
            left, upper, right, lower = row[geometry.WINDOW].tolist()
            window = resized[0, :, upper:lower, left:right].round().clamp(0, 255)
            if row[geometry.FLIP]:
                window = window.flip(2)
            x, y = row[geometry.PLACE].tolist()
            square[y : y + lower - upper, x : x + right - left] = window.permute(1, 2, 0)

    def _decoded(self, batch: JpegBatch) -> list[Tensor]:
        """Return the images, uint8[3, height, width] each, on the device."""
        decoded: dict[int, Tensor] = {}  # by position in the batch
        jpegs: dict[int, Tensor] = {}
        for position, image in enumerate(batch.images):
            if not isinstance(image, bytes):
                decoded[position] = _planes(image)
            elif jpeg.header(image).components == _CMYK:
                decoded[position] = _planes(jpeg.decode(image, other="pillow"))
                self.decoded_by_pillow += 1
            else:
                jpegs[position] = torch.from_numpy(np.array(np.frombuffer(image, np.uint8)))
        try:
            decoded |= zip(jpegs, self._decode([*jpegs.values()]), strict=True)
        except RuntimeError as error:
            for position, encoded in jpegs.items():
                self._require_sound(encoded, int(batch.indices[position]), error)
            raise
        return [decoded[position].to(self._device) for position in range(len(batch.images))]

    def _decode(self, jpegs: list[Tensor]) -> list[Tensor]:
        if not jpegs:
            return []
        images: list[Tensor] = decode_jpeg(jpegs, mode=ImageReadMode.RGB, device=self._device)
        return images

    def _require_sound(self, encoded: Tensor, index: int, error: RuntimeError) -> None:
        try:
            self._decode([encoded])
        except RuntimeError:
            raise ImageError(
                f"{self._reader.name(index)}: torchvision cannot decode it; "
                "run `imnet-data verify` on the dataset"
            ) from error


def _planes(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
