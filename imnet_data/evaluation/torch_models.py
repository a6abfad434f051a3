"""Models of torch: ours, torchvision's and timm's by name, and TorchScript from a file."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, cast

import torch

from imnet_data.errors import EvaluationError
from imnet_data.evaluation.scoring import Model
from imnet_data.loaders.device import constants, normalized, require_device
from imnet_data.train.checkpoint import read
from imnet_data.train.models import build_model, head_name, import_library, parameter_count
from imnet_data.train.transfer import read_weights
from imnet_data.transforms import EvalRecipe, normalize
from imnet_data.transforms.pixels import FILTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

_CLASS_COUNT = 1000
_CLASSES = "classes"  # where a checkpoint of ours has the wnids of the outputs


def load(name: str, *, checkpoint: Path | None = None, device: str = "cpu") -> Model:
    """Return a model by name, with the weights of a checkpoint.

    Args:
        name: as `train.models.build_model` knows it; of TorchScript, what it shall be called.
        checkpoint: TorchScript, weights by name, or a checkpoint that has them and may have a list
            of classes; by default what torchvision or timm download for the model.
        device: where it is to run, such as cuda:0.

    Raises:
        EvaluationError: if the checkpoint is not of this model.
        MissingExtra: if the model's library is not installed.
        ValueError: if there is no such model, or this machine has no such device.
    """
    require_device(device)
    if checkpoint is None:
        module, recipe = _pretrained(name)
        return of_module(module, name=name, device=device, recipe=recipe)
    if _is_torchscript(checkpoint):
        script = torch.jit.load(checkpoint, map_location=device)  # type: ignore[no-untyped-call]
        return of_module(script, name=name, device=device)
    module = _with_weights(name, read_weights(checkpoint), checkpoint)
    classes = read(checkpoint).get(_CLASSES)
    return of_module(module, name=name, device=device, classes=tuple(classes) if classes else None)


def of_module(
    module: nn.Module,
    *,
    name: str,
    device: str = "cpu",
    classes: tuple[str, ...] | None = None,
    recipe: EvalRecipe | None = None,
) -> Model:
    """Return a module that takes float32[n, 3, size, size] as a Model; it is put to `device`."""
    module = module.eval().to(device)

    def logits(images: NDArray[np.uint8], recipe: EvalRecipe) -> Tensor:
        with torch.inference_mode():
            return cast("Tensor", module(_normalized(images, recipe, torch.device(device))))

    return Model(name, logits, classes, parameter_count(module), recipe)


def _normalized(images: NDArray[np.uint8], recipe: EvalRecipe, device: torch.device) -> Tensor:
    """Return float32[n, 3, size, size], the same to the last bit on every device."""
    if device.type == "cpu":
        return torch.from_numpy(normalize(images, mean=recipe.mean, std=recipe.std))
    pixels, numbers = torch.from_numpy(images).to(device), constants(recipe, device)
    return normalized(pixels, numbers, dtype=torch.float32, channels_last=False)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _with_weights(name: str, weights: Mapping[str, Tensor], path: Path) -> nn.Module:
    module = build_model(name, _CLASS_COUNT)
    head = weights.get(f"{head_name(module)}.weight")
    if head is not None and len(head) != _CLASS_COUNT:
        module = build_model(name, len(head))
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path}: does not have the weights of {name}: {error}") from error
    return module


def _pretrained(name: str) -> tuple[nn.Module, EvalRecipe]:
    """Return a model with its library's own weights, and the recipe published with them."""
    library, _, rest = name.partition(":")
    loaders: dict[str, Callable[[str], tuple[nn.Module, EvalRecipe]]] = {
        "torchvision": _torchvision,
        "timm": _timm,
    }
    if library not in loaders:
        raise EvaluationError(f"{name} comes without weights; pass a checkpoint")
    import_library(library, name)
    return loaders[library](rest)


def _torchvision(name: str) -> tuple[nn.Module, EvalRecipe]:
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    return models.get_model(name, weights=weights), torchvision_recipe(weights.transforms())


def _timm(name: str) -> tuple[nn.Module, EvalRecipe]:
    import timm

    module = timm.create_model(name, pretrained=True)
    return module, timm_recipe(module)


def torchvision_recipe(preset: Any) -> EvalRecipe:
    """Return the recipe of torchvision's `ImageClassification` preset."""
    return EvalRecipe(
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        filter=_filter(preset.interpolation.value),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def timm_recipe(module: nn.Module) -> EvalRecipe:
    """Return the recipe that timm's validate.py takes for one of its models."""
    config = cast("Mapping[str, Any]", module.pretrained_cfg)
    if config.get("crop_mode", "center") != "center":
        raise EvaluationError(
            f"the model's own crop is {config['crop_mode']}, not center; pass --size"
        )
    return EvalRecipe.timm(
        input_size=(config.get("test_input_size") or config["input_size"])[-1],
        crop_pct=config.get("test_crop_pct") or config["crop_pct"],
        interpolation=_filter(config["interpolation"]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _filter(name: str) -> Any:
    if name not in FILTERS:
        raise EvaluationError(
            f"the model's own interpolation is {name!r}, which is not one of {', '.join(FILTERS)}; "
            "choose one with --filter and a checkpoint: its published number then does not apply"
        )
    return name
