"""torchcodec's decode_jpeg, and torchvision's transforms of uint8 tensors, in a DataLoader."""

from rivals import BATCH_SIZE, SIZE
from rivals.torchvision import workers

label = "torchcodec 0.17.0, decode_jpeg + torchvision 0.29.1"
environment = "torchcodec"
install = (
    "pip install torch==2.14.1 torchvision==0.29.1 torchcodec==0.17.0"  # links CUDA's libraries
)
reads = "folder"
setting = "a worker a core; none on one core"


def batches(root, cores):
    from torch.utils.data import DataLoader
    from torchcodec.decoders import decode_jpeg
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    transform = v2.Compose([v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()])
    dataset = ImageFolder(str(root / "train"), transform, loader=decode_jpeg)
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, **workers(cores))
    return lambda _: loader
