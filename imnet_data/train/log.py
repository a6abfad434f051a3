"""What a run reports: JSON lines, TensorBoard where it is installed, lines to read."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from imnet_data.machine.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

    from imnet_data.loaders.torch import TensorBatch
    from imnet_data.train.checkpoint import Position

FILE_NAME = "log.jsonl"


class Meter:
    """Passes batches on, and counts images and the seconds that were spent waiting for them.

    On a GPU the loop runs ahead of the device, so a wait may be hidden behind its work: the share
    of time is then the most that the loader can have cost.
    """

    def __init__(self, batches: Iterator[TensorBatch]) -> None:
        self._batches = batches
        self.restart()

    def restart(self) -> None:
        """Forget what was, such as the time that a checkpoint took."""
        self._began = time.perf_counter()
        self._image_count = 0
        self._waited = 0.0

    def __iter__(self) -> Meter:
        return self

    def __next__(self) -> TensorBatch:
        began = time.perf_counter()
        batch = next(self._batches)
        self._waited += time.perf_counter() - began
        self._image_count += len(batch.images)
        return batch

    def read(self, world_size: int) -> dict[str, float]:
        """Return the figures since the last reading, images of all ranks."""
        seconds = time.perf_counter() - self._began
        figures = {
            "images_per_second": round(self._image_count * world_size / seconds, 1),
            "data_wait_seconds": round(self._waited, 3),
            "data_wait_share": round(self._waited / seconds, 4),
        }
        self.restart()
        return figures


class RunLog:
    """Appends events to log.jsonl; those after `position`, of a run that was stopped, are cut."""

    def __init__(self, directory: Path, *, position: Position, steps_per_epoch: int) -> None:
        path = directory / FILE_NAME
        self._steps_per_epoch = steps_per_epoch
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        write_whole(path, "".join(line for line in lines if _is_before(line, position)).encode())
        self._file = path.open("a")
        self._board = _tensorboard(directory, position.epoch * steps_per_epoch + position.step)

    def write(self, event: str, position: Position, values: dict[str, Any]) -> None:
        """Add one event."""
        line = {"event": event, "epoch": position.epoch, "step": position.step, **values}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            step = position.epoch * self._steps_per_epoch + position.step
            for name, value in values.items():
                if isinstance(value, float | int):
                    self._board.add_scalar(f"{event}/{name}", value, step)

    def close(self) -> None:
        """Write out what is left."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _is_before(line: str, position: Position) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return False  # the line that a killed run was writing
    return (event["epoch"], event["step"]) <= position


def _tensorboard(directory: Path, step: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(directory / "tensorboard"), purge_step=step)
