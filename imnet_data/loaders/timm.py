"""timm's `create_loader` over our loaders: the same arguments, and the same batches to validate."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from timm.data.loader import create_loader as timm_create_loader

from imnet_data.loaders.opening import open_loader
from imnet_data.loaders.timm_recipe import eval_recipe, train_recipe
from imnet_data.loaders.torch import TorchLoader

_SIGNATURE = inspect.signature(timm_create_loader)
# what is done here, by timm's names
_DONE = {"dataset", "input_size", "batch_size", "is_training", "device", "img_dtype", "mean", "std"}
_DONE |= {"scale", "ratio", "hflip", "interpolation", "crop_pct", "crop_mode", "num_workers"}
_DONE |= {"color_jitter", "auto_augment", "re_prob", "re_mode"}
# what changes nothing: it is about processes, which there are none of, and ranks are found anyway
_WITHOUT_EFFECT = {"distributed", "pin_memory", "use_prefetcher", "use_multi_epochs_loader"}
_WITHOUT_EFFECT |= {"persistent_workers", "worker_seeding"}
# what timm reads for training alone
_OF_TRAINING = {"color_jitter", "color_jitter_prob", "auto_augment", "re_prob", "re_mode"}
_OF_TRAINING |= {"re_count", "re_split", "vflip", "grayscale_prob", "gaussian_blur_prob"}


@functools.wraps(timm_create_loader)
def create_loader(*arguments: Any, **named: Any) -> TorchLoader:
    """Return a TorchLoader for the arguments of timm's `create_loader`.

    The dataset is a `Dataset` or an `ImageNet` of this package. Colours are changed, and rectangles
    erased, in batches on the device. Threads, instead of workers, are as many as the cores unless
    num_workers is passed.

    Raises:
        ValueError: if an argument asks for what is not done here, or is not allowed.
    """
    passed = _SIGNATURE.bind(*arguments, **named)
    threads = passed.arguments.get("num_workers") or None
    passed.apply_defaults()
    given = passed.arguments
    _require_done(given)
    loader = open_loader(
        given["dataset"].root,
        train_recipe(given) if given["is_training"] else eval_recipe(given),
        batch_size=given["batch_size"],
        split=given["dataset"].split,
        threads=threads,
    )
    return TorchLoader(loader, device=given["device"], dtype=given["img_dtype"])


def _require_done(given: dict[str, Any]) -> None:
    """Refuse what timm would do and this does not."""
    for name, value in given.items():
        is_unread = name in _OF_TRAINING and not given["is_training"]
        if name in _DONE | _WITHOUT_EFFECT or is_unread:
            continue
        off = _SIGNATURE.parameters[name].default
        if value != off and value:
            raise ValueError(
                f"{name} is {value!r}, which this create_loader does not do; pass {name}={off!r}, "
                "and augment batches on the device (imnet_data.augment, or timm's Mixup)"
            )
