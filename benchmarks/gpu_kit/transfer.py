"""Batches of the CPU loader on the device: the CPU's numbers, no growth, no wait of the host."""

import contextlib

import numpy as np
import torch

import imnet_data as imnet
from gpu_kit.checks import counting_synchronisations, need_gpu, require
from imnet_data.loaders.torch import TorchLoader
from imnet_data.transforms import normalize

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BATCH_SIZE = 16
EPOCHS = 40


def run(check, place):
    """Run the assertions of this section."""
    for dtype in DTYPES:
        for channels_last in (False, True):
            layout = "NHWC" if channels_last else "NCHW"
            with check(f"{dtype} in {layout} is bit-equal to the CPU's") as facts:
                facts["batches"] = equal_to_the_cpu(place, dtype, channels_last=channels_last)
    with check("held batches keep their numbers, and an epoch may be left") as facts:
        facts["batches"] = held(place)
    with check("an epoch makes the host wait for nothing") as facts:
        need_gpu(place)
        facts["waits"] = waits(place)
        require(not facts["waits"], "torch saw synchronisations")
    with check(f"reserved memory is the same over {EPOCHS} epochs") as facts:
        need_gpu(place)
        facts["reserved"] = reserved(place)
        require(len(set(facts["reserved"][4:])) == 1, "torch reserved more")


def recipe(place):
    """Return the recipe of this section."""
    return imnet.TrainRecipe(size=place.of(224, 32))


@contextlib.contextmanager
def opened(place, device, **options):
    """Open the CPU loader of the train split, with its tensors on a device."""
    loader = imnet.open_loader(place.dataset, recipe(place), batch_size=BATCH_SIZE, seed=1)
    with TorchLoader(loader, device=device, **options) as tensors:
        yield tensors


def equal_to_the_cpu(place, dtype, *, channels_last):
    """Compare an epoch with NumPy's arithmetic on the pixels of the CPU loader."""
    plan = recipe(place)
    count = 0
    with (
        opened(place, place.device, dtype=dtype, channels_last=channels_last) as tensors,
        imnet.open_loader(place.dataset, plan, batch_size=BATCH_SIZE, seed=1) as loader,
    ):
        for batch, pixels in zip(tensors.epoch(2), loader.epoch(2), strict=True):
            name = str(dtype).removeprefix("torch.")
            values = normalize(pixels.images, mean=plan.mean, std=plan.std, dtype=name)
            bits = batch.images.cpu().contiguous().view(torch.uint8).numpy()
            require(np.array_equal(bits, values.view(np.uint8)), f"batch {count} differs")
            for part, expected in ((batch.labels, pixels.labels), (batch.indices, pixels.indices)):
                require(np.array_equal(part.cpu().numpy(), expected), "labels or indices differ")
            count += 1
    require(count > 1, "there are too few batches")
    return count


def held(place):
    """Hold an epoch while others are made and left; return how many batches it has."""
    with opened(place, place.device) as tensors:
        batches = list(tensors.epoch(0))
        sums = [batch.images.double().sum().item() for batch in batches]
        for epoch in range(1, 4):
            next(iter(tensors.epoch(epoch)))
            for _ in tensors.epoch(epoch):
                pass
        again = [batch.images.double().sum().item() for batch in batches]
    require(sums == again, "batches changed while they were held")
    return len(batches)


def waits(place):
    """Return where the host waited for the device in the batches of an epoch."""
    with opened(place, place.device) as tensors:
        batches = tensors.epoch(0)
        next(batches)  # the constants are sent with the first
        with counting_synchronisations(place) as found:
            for _ in zip(range(5), batches, strict=False):
                pass
    return found


def reserved(place):
    """Return the bytes that torch has reserved after each epoch."""
    sizes = []
    with opened(place, place.device) as tensors:
        for epoch in range(EPOCHS):
            for _ in tensors.epoch(epoch):
                pass
            sizes.append(torch.cuda.memory_reserved())
    return sizes
