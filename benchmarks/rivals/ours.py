"""imnet-data's own loader on JPEGs with restart markers, as `convert` stores them by default."""

from rivals import BATCH_SIZE

label = "**imnet-data**, seekable JPEGs (the default)"
environment = ""
install = ""
reads = "seekable"
setting = "a thread a core"


def batches(root, cores, cache=None, order="shuffled"):
    """Return epochs of a folder, or with a folder for a cache those of a URL."""
    from imnet_data import TrainRecipe, open_loader

    loader = open_loader(
        root, TrainRecipe(), batch_size=BATCH_SIZE, threads=cores, cache=cache, order=order
    )
    return lambda number: ((batch.images, batch.labels) for batch in loader.epoch(number))
