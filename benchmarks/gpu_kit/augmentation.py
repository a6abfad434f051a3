"""Augmentation on the device: what the CPU makes of it, to the last bit, without a wait."""

import numpy as np
import torch

from gpu_kit.checks import counting_synchronisations, need_gpu, require
from imnet_data import augment

INDICES = np.arange(16) * 37 + 5


def done(images, labels, epoch):
    """Yield the name and the result of each augmentation of a batch."""
    drawn = {"seed": 0, "epoch": epoch, "indices": INDICES}
    policies = (
        augment.RandAugment(operation_count=3, interpolation="bilinear"),
        augment.AutoAugment(),
        augment.TrivialAugmentWide(),
        augment.TimmRandAugment(magnitude_std=0.5, operation_count=4),
    )
    for policy in policies:
        yield type(policy).__name__, augment.apply_policy(images, policy, **drawn)
    colors = augment.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2)
    yield "ColorJitter", augment.jitter(images, recipe=colors, **drawn)
    floats = images.float() - 99
    for mode in ("const", "pixel"):
        erasing = augment.Erasing(mode=mode, probability=0.9)
        yield f"Erasing, {mode}", augment.erase(floats, recipe=erasing, **drawn)
    targets = augment.soft_targets(labels, 10, smoothing=0.1)
    for mode in ("batch", "elem"):
        mixing = augment.Mix(mixup_alpha=0.2, cutmix_alpha=1.0, mode=mode)
        for part in augment.mix(floats, targets, recipe=mixing, **drawn):
            yield f"Mix, {mode}", part


def run(check, place):
    """Run the assertions of this section."""
    side = place.of(96, 32)
    generator = torch.Generator().manual_seed(3)
    shape = (len(INDICES), 3, side, side)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.arange(len(INDICES)) % 10
    there = images.to(place.device), labels.to(place.device)
    with check("every augmentation is bit-equal to the CPU's") as facts:
        facts["epochs"] = place.of(10, 1)
        differing = set()
        for epoch in range(facts["epochs"]):
            pairs = zip(done(images, labels, epoch), done(*there, epoch), strict=True)
            differing |= {
                name for (name, here), (_, other) in pairs if not torch.equal(here, other.cpu())
            }
        require(not differing, f"{', '.join(sorted(differing))} differ")
    with check("augmentation makes the host wait for nothing") as facts:
        need_gpu(place)
        with counting_synchronisations(place) as found:
            for _ in done(*there, 1):
                pass
        facts["waits"] = found
        require(not found, "torch saw synchronisations")
