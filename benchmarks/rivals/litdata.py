"""LitData: its optimised chunks of JPEGs, decoded by Pillow, and its StreamingDataLoader."""

import os

from rivals import BATCH_SIZE
from rivals.torchvision import TORCH, import_torchvision, train_transform, workers

label = "LitData 0.2.76, Pillow 13.0.0"
environment = "torch"
install = f"{TORCH} pillow==13.0.0 && pip install litdata==0.2.76"
reads = "litdata"
setting = "a worker a core; none on one core; local chunks"


def read(item):
    path, label = item
    return {"image": path.read_bytes(), "label": label}


def prepare(folder, out):
    import_torchvision()
    import litdata

    wnids = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [(path, label) for label, wnid in enumerate(wnids) for path in sorted(wnid.iterdir())]
    litdata.optimize(read, files, str(out), chunk_bytes="16MB", num_workers=1)


def batches(root, cores, cache=None):
    """Return epochs of a folder, or with a folder for a cache those of an S3 URL."""
    import io

    transform = train_transform()
    import litdata
    from PIL import Image

    def sample(stored):
        image = Image.open(io.BytesIO(stored["image"])).convert("RGB")
        return transform(image), stored["label"]

    options = {}
    if cache is not None:
        from litdata.streaming import downloader

        downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True  # which it refuses by default
        endpoint = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
        options = {"cache_dir": str(cache), "storage_options": endpoint}
    dataset = litdata.StreamingDataset(str(root), shuffle=True, transform=sample, **options)
    loader = litdata.StreamingDataLoader(dataset, batch_size=BATCH_SIZE, **workers(cores))
    return lambda _: loader
