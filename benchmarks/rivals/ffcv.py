"""FFCV's Loader on a beton that holds the original JPEGs; it resizes with OpenCV's INTER_AREA."""

from rivals import BATCH_SIZE, SIZE
from rivals.torchvision import TORCH

label = "FFCV 1.0.2"
environment = "torch"
install = (
    f"{TORCH} && pip install pillow==13.0.0 numba==0.68.1 opencv-python-headless==5.0.0.93 "
    "pytorch-pfn-extras==0.9.0 psutil terminaltables assertpy fastargs tqdm setuptools wheel && "
    "pip install --no-deps --no-build-isolation ffcv==1.0.2"
)
needs = "g++ pkg-config libopencv-dev libturbojpeg0-dev"
reads = "beton"
setting = "a worker a core; os_cache, OrderOption.RANDOM"


def batches(root, cores):
    from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import RandomHorizontalFlip, Squeeze, ToTensor

    image = [RandomResizedCropRGBImageDecoder((SIZE, SIZE)), RandomHorizontalFlip(), ToTensor()]
    loader = Loader(
        str(root / "train" / "train.beton"),
        batch_size=BATCH_SIZE,
        num_workers=cores,
        order=OrderOption.RANDOM,
        os_cache=True,
        drop_last=False,
        pipelines={"image": image, "label": [IntDecoder(), ToTensor(), Squeeze()]},
    )
    return lambda _: loader
