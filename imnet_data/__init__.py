"""ImageNet, from the official tarballs to a verified dataset and into the trainer.

The names of this module are public, and so are the exceptions of `imnet_data.errors` and what the
documentation imports; everything else is private and may change in any release. Names are imported
when they are first used, so that this costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imnet_data.conversion.convert import convert, dry_run
    from imnet_data.conversion.join import join
    from imnet_data.conversion.on_ray import convert_on_ray
    from imnet_data.conversion.parts import convert_part
    from imnet_data.dataset.copying import copy
    from imnet_data.dataset.description import Options
    from imnet_data.dataset.opened import Dataset
    from imnet_data.errors import ImnetError
    from imnet_data.loaders.opening import open_loader
    from imnet_data.machine.progress import Step
    from imnet_data.record import Box, Record, Records
    from imnet_data.transforms import EvalRecipe, MultiCropRecipe, Progressive, TrainRecipe
    from imnet_data.verification.compare import compare
    from imnet_data.verification.read_back import ReadBack, read_back
    from imnet_data.verification.repair import repair
    from imnet_data.verification.shard import Difference
    from imnet_data.verification.verify import verify

__all__ = [
    "Box",
    "Dataset",
    "Difference",
    "EvalRecipe",
    "ImnetError",
    "MultiCropRecipe",
    "Options",
    "Progressive",
    "ReadBack",
    "Record",
    "Records",
    "Step",
    "TrainRecipe",
    "compare",
    "convert",
    "convert_on_ray",
    "convert_part",
    "copy",
    "dry_run",
    "join",
    "open_loader",
    "read_back",
    "repair",
    "verify",
]

_MODULES = {
    "Box": "record",
    "Dataset": "dataset.opened",
    "Difference": "verification.shard",
    "EvalRecipe": "transforms",
    "ImnetError": "errors",
    "MultiCropRecipe": "transforms",
    "Options": "dataset.description",
    "Progressive": "transforms",
    "ReadBack": "verification.read_back",
    "Record": "record",
    "Records": "record",
    "Step": "machine.progress",
    "TrainRecipe": "transforms",
    "compare": "verification.compare",
    "convert": "conversion.convert",
    "convert_on_ray": "conversion.on_ray",
    "convert_part": "conversion.parts",
    "copy": "dataset.copying",
    "dry_run": "conversion.convert",
    "join": "conversion.join",
    "open_loader": "loaders.opening",
    "read_back": "verification.read_back",
    "repair": "verification.repair",
    "verify": "verification.verify",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'imnet_data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"imnet_data.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
