"""A DALI pipeline that decodes batches of JPEGs which it is fed with."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from nvidia.dali import fn, types

from imnet_data.loaders import geometry
from imnet_data.loaders.dali_graph import empty_pipeline, resized
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvidia.dali import Pipeline

    from imnet_data.loaders.jpegs import JpegBatch
    from imnet_data.transforms import TrainRecipe

_BATCHES_AHEAD = 2  # one is decoded while the one before it is resized; each costs GPU memory


class Decoder:
    """A DALI pipeline, and what it is fed with."""

    def __init__(
        self,
        recipe: TrainRecipe | EvalRecipe,
        *,
        batch_size: int,
        threads: int,
        device_id: int | None,
        options: dict[str, Any],
    ) -> None:
        self._feed = _Feed(has_window=isinstance(recipe, EvalRecipe))
        self._pipeline: Pipeline | None = empty_pipeline(
            batch_size, threads, device_id, batches_ahead=_BATCHES_AHEAD
        )
        with self._pipeline as pipeline:
            jpegs, flip, start, shape, size, *anchor = fn.external_source(
                self._feed,
                num_outputs=6 if isinstance(recipe, EvalRecipe) else 5,
                dtype=[types.UINT8, *[types.INT32] * 3, types.FLOAT, types.INT32],
                ndim=[1, 0, 1, 1, 1, 1],
                no_copy=True,  # it would be done by the thread that trains
            )
            images = fn.decoders.image_slice(
                jpegs, start=start, shape=shape, axis_names="HW", **options
            )
            images = resized(images, size, recipe.filter)
            if isinstance(recipe, EvalRecipe):
                images = fn.slice(
                    images,
                    start=anchor[0],
                    shape=[recipe.crop, recipe.crop],
                    axis_names="HW",
                    out_of_bounds_policy="pad",  # with black
                )
            pipeline.set_outputs(fn.flip(images, horizontal=flip))

    @property
    def under_way(self) -> list[JpegBatch]:
        """The batches that DALI has, and has not given back."""
        return [fed.batch for fed in self._feed.under_way]

    def decoded(self, jpegs: Iterator[JpegBatch]) -> Iterator[tuple[JpegBatch, Any]]:
        """Yield each batch with its images, DALI's TensorList; None for those of an empty batch."""
        feed = self._feed
        feed.jpegs = jpegs
        while (images := self._run()) is not None:
            yield feed.under_way.popleft().batch, images
        if feed.under_way:
            yield feed.under_way.popleft().batch, None

    def rewound(self) -> bool:
        """Return whether this can decode other batches; those that are under way are dropped."""
        self._feed.jpegs = iter(())
        try:
            while self._pipeline is not None and self._run() is not None:
                pass
        except RuntimeError:  # of an image that nobody has asked for
            pass
        if self._pipeline is None:
            return False
        self._feed.under_way.clear()
        self._pipeline.reset()
        return True

    def close(self) -> None:
        """Return DALI's threads and memory to the system; images that are held stay as they are."""
        self._pipeline = None
        self._feed.jpegs = iter(())

    def _run(self) -> Any:
        if self._pipeline is None:
            raise ValueError("the loader is closed; open another one")
        try:
            (images,) = self._pipeline.run()
        except StopIteration:
            return None
        except BaseException:
            self._pipeline = None  # it cannot be used any more
            raise
        return images


class _Fed(NamedTuple):
    """A batch that a pipeline has, and the arrays whose memory it reads."""

    batch: JpegBatch
    arrays: tuple[Any, ...]


class _Feed:
    """The callback of a pipeline, which owns it.

    So what DALI's threads may still read lives as long as they do, and nothing here knows the
    pipeline: a cycle would keep it until the garbage collector comes.
    """

    def __init__(self, *, has_window: bool) -> None:
        self.jpegs: Iterator[JpegBatch] = iter(())
        self.under_way: deque[_Fed] = deque()
        self._has_window = has_window

    def __call__(self) -> tuple[Any, ...]:
        """Return the next batch, as the inputs of the graph."""
        batch = next(self.jpegs)
        arrays = self._arrays(batch)
        self.under_way.append(_Fed(batch, arrays))
        if not batch.images:  # the last one; DALI takes none of this kind
            raise StopIteration
        return arrays

    def _arrays(self, batch: JpegBatch) -> tuple[Any, ...]:
        rows = batch.rows
        start, end = batch.boxes[:, 1::-1], batch.boxes[:, :1:-1]
        size = rows[:, geometry.SIZE][:, ::-1].astype(np.float32)
        parts = [rows[:, geometry.FLIP], start, end - start, size]
        if self._has_window:
            parts.append((rows[:, geometry.WINDOW][:, :2] - rows[:, geometry.PLACE])[:, ::-1])
        files = [np.frombuffer(image, np.uint8) for image in batch.images]
        return files, *map(np.ascontiguousarray, parts)
