"""Batches decoded by DALI, on a GPU (nvJPEG) or on the CPU, of records that we read.

Order, boxes and flips are the CPU loader's, sample by sample; so are sharding, resuming and the
exact last batch. Pixels are near to its own but not the same: DALI rounds once where Pillow rounds
twice, and nvJPEG is another decoder.

`pipeline` gives a pipeline of DALI's own readers instead, where nothing of ours runs.

Damage that libjpeg-turbo or nvJPEG passes over is passed over, but for a JPEG without an end; the
CPU loader finds it, and so does `verify --decode`.
"""

from __future__ import annotations

import base64
import functools
import re
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from imnet_data.errors import ImageError, verify_command
from imnet_data.loaders import ranks
from imnet_data.loaders.batch import Decoded, given
from imnet_data.loaders.dali_decoder import Decoder
from imnet_data.loaders.dali_graph import decode_options
from imnet_data.loaders.dali_memory import decoding_threads
from imnet_data.loaders.dali_readers import READER, pipeline
from imnet_data.loaders.jpegs import JpegReader
from imnet_data.loaders.plain import require_plain
from imnet_data.loaders.ranks import Ranked
from imnet_data.machine import pool
from imnet_data.transforms import TrainRecipe

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from imnet_data.dataset.opened import Dataset
    from imnet_data.loaders.batch import Batch, DeviceBatch
    from imnet_data.loaders.jpegs import JpegBatch
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import SupportsExtents, SupportsReading
    from imnet_data.transforms import EvalRecipe

__all__ = ["READER", "DaliLoader", "pipeline"]

_NOT_DECODED = re.compile(r"Failed to decode sample #(\d+)")  # DALI's, with a place in its batch
_GREY_8_BY_8 = base64.b85decode(  # a JPEG that every working decoder takes
    "|JeWF01!$>Nk#wx0RR9200961|JwjV01yid4h#wq4h;?x5fBp?C>j_R78o%jB^@X_Gd(;xGdMRuNL)@pL{~*OI8bd-"
    "S6^ahXlFi6ad~iLcwA*?WB<Sa3kU!R00;pA5di<h02BZL00000000000000000000|HJ?k5CH%H0000000000000000"
    "095m00;pA002J#KmXY"
)


class DaliLoader(Ranked):
    """Loader: batches of one rank, Batch on the CPU and DeviceBatch on a GPU.

    Args:
        source: the records, as `source_of(dataset)` gives them.
        recipe: what is done to the pixels.
        schedule: which records come when.
        device: "cpu", "cuda" or "cuda:N"; a GPU needs torch besides.
        threads: that read and cut; by default this rank's share of the cores. As many of DALI's
            decode, on a GPU at most eight.
        cut: whether training images are cut in the compressed bytes before they are decoded.
        hw_decoder_load: share of a batch that goes to the hardware decoder of a GPU that has one.
        dataset: what `source` was made of, to be closed with the loader.
    """

    def __init__(
        self,
        source: SupportsExtents | SupportsReading,
        recipe: TrainRecipe | EvalRecipe,
        schedule: Schedule,
        *,
        device: str = "cpu",
        threads: int | None = None,
        cut: bool = True,
        hw_decoder_load: float = 0.65,
        dataset: Dataset | None = None,
    ) -> None:
        super().__init__(schedule)
        self.source, self.recipe, self.dataset = source, recipe, dataset
        self.went_whole = 0  # training images that were to be cut, and were not
        self._device_id = _device_id(device)
        threads = ranks.threads_of_rank() if threads is None else pool.thread_count(threads)
        self._threads = decoding_threads(threads, device_id=self._device_id)
        self._options = decode_options(
            source.width,
            source.height,
            device_id=self._device_id,
            threads=self._threads,
            cut=cut and isinstance(recipe, TrainRecipe),
            hw_decoder_load=hw_decoder_load,
        )
        self._reader = JpegReader(source, recipe, schedule, threads=threads, cut=cut)
        self._idle: list[Decoder] = []  # each epoch under way has a decoder of its own
        self._decoders: weakref.WeakSet[Decoder] = weakref.WeakSet()

    def __len__(self) -> int:
        return len(self.schedule)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | DeviceBatch]:
        """Return the batches of epoch `number` from batch `start` on.

        Raises:
            ImageError: if the bytes of an image are damaged.
            FormatError: if the file that holds it does not have them.
            ValueError: if the recipe does more than pixels show.
        """
        require_plain(self.recipe)
        return given(
            self.decoded(number, start=start),
            Decoded.batch if self._device_id is None else Decoded.device_batch,
        )

    def decoded(self, number: int, *, start: int = 0) -> Generator[Decoded]:
        """Return what batches are made of; what the recipe does to tensors is still to be done."""
        self._reader.schedule = self.schedule
        batches = self._epoch(self._reader.epoch(number, start=start))
        if self._device_id is None:
            return batches
        import torch

        from imnet_data.loaders.device import held, mark

        return held(batches, functools.partial(mark, torch.device("cuda", self._device_id)))

    def close(self) -> None:
        """End the threads and release files and memory; batches that are held stay as they are.

        An epoch that is under way cannot go on.
        """
        self._reader.close()
        self._idle.clear()
        for decoder in list(self._decoders):
            decoder.close()
        if self.dataset is not None:
            self.dataset.close()

    def _epoch(self, jpegs: Iterator[JpegBatch]) -> Generator[Decoded]:
        decoder = self._idle.pop() if self._idle else self._decoder(self.batch_size)
        try:
            for batch, images in decoder.decoded(jpegs):
                self.went_whole += batch.whole
                yield self._decoded(batch, images)
        except RuntimeError as error:
            name = self._undecodable(str(error), decoder.under_way)
            if name is None:
                raise
            raise ImageError(
                f"{name}: DALI cannot decode it; run {verify_command(decodes=True)}"
            ) from error
        finally:
            if decoder.rewound():
                self._idle.append(decoder)

    def _decoder(self, batch_size: int) -> Decoder:
        decoder = Decoder(
            self.recipe,
            batch_size=batch_size,
            threads=self._threads,
            device_id=self._device_id,
            options=self._options,
        )
        self._decoders.add(decoder)
        return decoder

    def _decoded(self, batch: JpegBatch, images: Any) -> Decoded:
        labels = self.source.label[batch.indices].astype(np.int64)
        pixels: Any
        if images is None:
            pixels = np.empty((0, batch.side, batch.side, 3), np.uint8)
        elif self._device_id is None:
            pixels = images.as_array()  # a copy
        else:
            from torch.utils.dlpack import from_dlpack

            pixels = from_dlpack(images.as_tensor())
        return Decoded([pixels[None]], labels, batch.indices, batch.draws)

    def _undecodable(self, message: str, batches: Iterable[JpegBatch]) -> str | None:
        """Name the record that DALI could not decode; None where it failed for another reason.

        DALI names a place in a batch, but not the batch. So each record at this place is decoded
        by itself, after a JPEG that is sound: where that fails too, no record is to blame.
        """
        found = _NOT_DECODED.search(message)
        if found is None:
            return None
        place = int(found[1])
        suspects = [batch.single(place) for batch in batches if place < len(batch.images)]
        if not suspects or not self._decodes(_sound(suspects[0])):
            return None
        for suspect in suspects:
            if not self._decodes(suspect):
                return self._reader.name(int(suspect.indices[0]))
        return None

    def _decodes(self, single: JpegBatch) -> bool:
        """Return whether DALI decodes a record; a decoder that has failed cannot be used again."""
        decoder = self._decoder(1)
        try:
            for _ in decoder.decoded(iter([single])):
                pass
        except RuntimeError:
            return False
        finally:
            decoder.close()
        return True


def _sound(single: JpegBatch) -> JpegBatch:
    """Return a JPEG that can be decoded in the place of a record."""
    return single._replace(images=[_GREY_8_BY_8], boxes=np.array([[0, 0, 8, 8]], np.int32))


def _device_id(device: str) -> int | None:
    if device == "cpu":
        return None
    import torch

    from imnet_data.loaders.device import require_device

    where = require_device(device)
    if where.type != "cuda":
        raise ValueError(f"device is {device!r}; DALI has cpu, cuda and cuda:N")
    return torch.cuda.current_device() if where.index is None else where.index
