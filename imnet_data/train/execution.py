"""How a run is carried out, as one value."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from imnet_data.arguments import integer, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Precision = Literal["fp32", "bf16", "fp16"]


class Execution(NamedTuple):
    """How a run is carried out: meant to change its speed, and no more than rounding of its result.

    BatchNorm's statistics are of one rank's part of a batch: the number of ranks and `accumulate`
    change them. Mixup and cutmix have one draw for each of the `accumulate` parts.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Precision = "fp32"  # of what autocast takes; fp16 scales the loss
    channels_last: bool = False
    compiles: bool = False  # whether torch.compile is used
    is_deterministic: bool = False  # whether operations that are not are refused
    accumulate: int = 1  # parts that a rank's batch is cut into, to save memory
    loader: Literal["cpu", "dali"] = "cpu"  # dali decodes on the device; pixels differ by rounding
    loader_threads: int | None = None  # default: one for each core that the process may use
    log_every: int = 50  # steps
    checkpoint_every: int = 1000  # steps; there is one at the end of each epoch too
    max_steps: int | None = None  # of the whole run, which stops there and may go on later


def require_execution(execution: Execution) -> None:
    """Raise a ValueError that names the first field that has a wrong value."""
    one_of("device", execution.device, ("cpu", "cuda"))
    one_of("precision", execution.precision, ("fp32", "bf16", "fp16"))
    one_of("loader", execution.loader, ("cpu", "dali"))
    for name in ("accumulate", "log_every", "checkpoint_every"):
        integer(name, getattr(execution, name), least=1)
    if execution.max_steps is not None:
        integer("max_steps", execution.max_steps, least=1)


@contextlib.contextmanager
def settings(execution: Execution) -> Iterator[None]:
    """Set torch's switches for a run, for as long as the context lasts."""
    before = (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark)
    if execution.is_deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(execution.is_deterministic)
    torch.backends.cudnn.benchmark = not execution.is_deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
