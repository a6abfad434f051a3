"""imnet-data's own loader on packed JPEGs."""

from rivals import BATCH_SIZE

label = "**imnet-data**, packed JPEGs"
environment = ""
install = ""
reads = "packed"
setting = "a thread a core"


def batches(root, cores):
    from imnet_data import TrainRecipe, open_loader

    loader = open_loader(root, TrainRecipe(), batch_size=BATCH_SIZE, threads=cores)
    return lambda number: ((batch.images, batch.labels) for batch in loader.epoch(number))
