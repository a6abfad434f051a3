"""torchvision's ImageFolder and torch's DataLoader, as in its own training reference, on Pillow."""

import importlib
import sys

from rivals import BATCH_SIZE, SIZE

TORCH = "pip install torch==2.13.0 numpy && pip install --no-deps torchvision==0.28.0"
_libraries = []  # operators are gone with the object that defines them

label = "torchvision 0.28.0, ImageFolder + DataLoader, Pillow 13.0.0"
environment = "torch"
install = f"{TORCH} pillow==13.0.0"
reads = "folder"
setting = "a worker a core; none on one core"


def import_torchvision():
    """Return torchvision, also where its wheel was built for another torch than the one here.

    Its C extension does not load then, and operators that its Python part describes are missing;
    nothing measured here uses them.
    """
    try:
        return importlib.import_module("torchvision")
    except (RuntimeError, AttributeError):
        import torch

        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
        return importlib.import_module("torchvision")


def train_transform():
    """Return the recipe: from a PIL image to uint8[3, 224, 224]."""
    transforms = import_torchvision().transforms
    steps = [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip()]
    return transforms.Compose([*steps, transforms.PILToTensor()])


def workers(cores):
    """Return DataLoader's options: no processes on one core, where one only costs a copy."""
    return {"num_workers": 0} if cores == 1 else {"num_workers": cores, "persistent_workers": True}


def batches(root, cores):
    datasets = import_torchvision().datasets
    from torch.utils.data import DataLoader

    dataset = datasets.ImageFolder(str(root / "train"), train_transform())
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, **workers(cores))
    return lambda _: loader
