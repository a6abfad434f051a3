"""MosaicML Streaming: MDS shards, decoded by its own "jpeg" encoding (Pillow)."""

from rivals import BATCH_SIZE
from rivals.torchvision import TORCH, import_torchvision, train_transform, workers

label = "MosaicML Streaming 0.13.0, MDS, Pillow 13.0.0"
environment = "streaming"  # it asks for an older numpy
install = (
    f"{TORCH} pillow==13.0.0 && "
    "pip install mosaicml-streaming==0.13.0 torch==2.13.0 torchvision==0.28.0"
)
reads = "mds"
setting = "a worker a core; none on one core; local shards"


def prepare(folder, out):
    import_torchvision()
    from PIL import Image
    from streaming import MDSWriter

    columns = {"image": "jpeg", "label": "int"}
    with MDSWriter(out=str(out), columns=columns, size_limit=16 << 20) as writer:
        for label, wnid in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
            for path in sorted(wnid.iterdir()):
                writer.write({"image": Image.open(path), "label": label})


def batches(root, cores, cache=None):
    """Return epochs of a folder, or with a folder for a cache those of an S3 URL."""
    transform = train_transform()
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory
    from torch.utils.data import DataLoader

    class Images(StreamingDataset):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return transform(sample["image"].convert("RGB")), sample["label"]

    clean_stale_shared_memory()  # of a run that was killed
    places = {"local": str(root)} if cache is None else {"local": str(cache), "remote": str(root)}
    dataset = Images(**places, shuffle=True, batch_size=BATCH_SIZE)
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, **workers(cores))
    return lambda _: loader
