"""imnet-data's TorchLoader, the drop-in for DataLoader: float32, normalised, which is more work."""

from rivals import BATCH_SIZE
from rivals.ours_packed import environment, install, reads

__all__ = ["batches", "environment", "install", "label", "reads", "setting"]

label = "**imnet-data**, TorchLoader, packed JPEGs"
setting = "a thread a core; float32, normalised"


def batches(root, cores):
    from imnet_data import TrainRecipe, open_loader
    from imnet_data.loaders.torch import TorchLoader

    loader = TorchLoader(
        open_loader(root, TrainRecipe(), batch_size=BATCH_SIZE, threads=cores), device="cpu"
    )
    return lambda number: (batch[:2] for batch in loader.epoch(number))
