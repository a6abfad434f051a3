"""webdataset's WebLoader on tar shards, decoded by Pillow and cropped by torchvision."""

from rivals import BATCH_SIZE
from rivals.torchvision import TORCH, train_transform, workers

label = "webdataset 1.0.2, WebLoader, Pillow 13.0.0"
environment = "torch"
install = f"{TORCH} pillow==13.0.0 && pip install webdataset==1.0.2"
reads = "webdataset"
setting = "a worker a core; none on one core; shuffle buffer of 1,000"


def batches(root, cores):
    import webdataset

    shards = sorted(map(str, root.glob("train/*.tar")))
    transform = train_transform()
    dataset = (
        webdataset.WebDataset(shards, shardshuffle=len(shards))
        .shuffle(1000)
        .decode("pilrgb")
        .to_tuple("jpg", "cls")
        .map_tuple(transform, int)
        .batched(BATCH_SIZE)
    )
    loader = webdataset.WebLoader(dataset, batch_size=None, **workers(cores))
    return lambda _: loader
