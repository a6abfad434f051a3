"""All that a run needs to go on from a step, as one file that appears when it is whole.

Order, crops, augmentation, dropped blocks and the learning rate follow from the seed and the
position, so they are not stored: only weights, what the optimizer and the scaler remember, the
average, and how far the run is.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from imnet_data.errors import TrainError
from imnet_data.machine.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


CHECKPOINT, WEIGHTS = "checkpoint.pt", "weights.pt"  # files of a run's folder


class Position(NamedTuple):
    """How far a run is: steps are those of `epoch` that are done."""

    epoch: int
    step: int


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values so that the file is there in full or not at all."""
    file = io.BytesIO()
    torch.save(dict(content), file)
    write_whole(path, file.getvalue())


def read(path: Path) -> dict[str, Any]:
    """Read a file of tensors and plain values to the CPU; nothing else in it is executed.

    Raises:
        TrainError: if it is damaged, or has anything else in it.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainError(f"{path}: cannot be read as weights ({reason})") from error
    if not isinstance(content, dict):
        raise TrainError(f"{path}: holds a {type(content).__name__}; expected weights by name")
    return content


def require_same(path: Path, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on with a run that is another one.

    Raises:
        TrainError: if a value differs; the message has those that do.
    """
    differing = dict(_differing("", stored, asked))
    if not differing:
        return
    texts = "; ".join(f"{name} is {was}, not {value}" for name, (was, value) in differing.items())
    remedy = "pass the options of that run to resume it, or choose another --out"
    if "recipe.epochs" in differing:
        remedy += (
            ". The curves of a run end with its last epoch, so it cannot be made longer; to train "
            f"on from its weights with a new head: --finetune {path.with_name(WEIGHTS)} --out OTHER"
        )
    raise TrainError(f"{path}: was written by another run: {texts}; {remedy}")


def _differing(
    prefix: str, stored: Mapping[str, Any], asked: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, value in asked.items():
        was = stored.get(name)
        if isinstance(was, dict) and isinstance(value, dict):
            yield from _differing(f"{prefix}{name}.", was, value)
        elif was != value:
            yield f"{prefix}{name}", (was, value)
