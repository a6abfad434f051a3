"""timm's create_loader, up to the uint8 batch that its prefetcher normalises on the device."""

from rivals import BATCH_SIZE, SIZE
from rivals.torchvision import TORCH, import_torchvision, workers

label = "timm 1.0.31, create_loader"
environment = "torch"
install = f"{TORCH} pillow==13.0.0 && pip install timm==1.0.31"
reads = "folder"
setting = "as torchvision; batch taken before the prefetcher"


def batches(root, cores):
    import_torchvision()
    import torch
    from timm.data import ImageDataset, create_loader

    loader = create_loader(
        ImageDataset(str(root / "train")),
        input_size=(3, SIZE, SIZE),
        batch_size=BATCH_SIZE,
        is_training=True,
        color_jitter=None,
        interpolation="bilinear",
        device=torch.device("cpu"),
        **{"persistent_workers": False, **workers(cores)},
    ).loader
    return lambda _: loader
