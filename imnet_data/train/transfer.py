"""Start from given weights: a new head on a backbone that is trained further, or stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from imnet_data.errors import TrainError
from imnet_data.train import checkpoint
from imnet_data.train.models import head_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FINETUNE_RATE = 0.1  # share of a recipe's learning rate that fine-tuning starts from

_NESTED = ("ema", "state_dict", "model")  # where files keep weights, the better ones first
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile


class Transfer(NamedTuple):
    """Weights to start from."""

    weights: Path
    freezes_backbone: bool = False


def start_from(model: nn.Module, transfer: Transfer) -> None:
    """Return the backbone of `model` the weights of a file; its head stays new.

    Raises:
        TrainError: if the file has not all weights of the backbone, in the same shapes.
    """
    weights = read_weights(transfer.weights)
    head = head_name(model)
    backbone = {
        name: value for name, value in model.state_dict().items() if not name.startswith(f"{head}.")
    }
    for name, value in backbone.items():
        if name not in weights:
            raise TrainError(f"{transfer.weights}: has no {name}; is it of another model?")
        if weights[name].shape != value.shape:
            raise TrainError(
                f"{transfer.weights}: {name} is {list(weights[name].shape)}, the model's is "
                f"{list(value.shape)}; is it of another model?"
            )
    model.load_state_dict({name: weights[name] for name in backbone}, strict=False)
    if transfer.freezes_backbone:
        model.requires_grad_(False)
        model.get_submodule(head).requires_grad_(True)


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read the weights of a file that this project, torchvision or timm wrote, by name."""
    content = checkpoint.read(path)
    for name in _NESTED:
        if isinstance(content.get(name), dict):
            content = content[name]
            break
    weights = {}
    for name, value in content.items():
        if isinstance(value, Tensor):
            for prefix in _PREFIXES:
                name = name.removeprefix(prefix)
            weights[name] = value
    if not weights:
        raise TrainError(f"{path}: has no weights in it")
    return weights
