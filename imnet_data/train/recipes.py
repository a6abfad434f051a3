"""Training recipes as values: numbers that are published with the accuracy they gave.

Sizes, rates and policies are those of the source. Three things are done the same way for all of
them, and may move the result by a tenth of a percent: the learning rate follows its curve from step
to step (torchvision's and timm's scripts change it once per epoch), and a cosine starts where the
warm-up ends (timm's has run meanwhile); weight decay leaves out either nothing, or all norms and
biases; pixels are resized as Pillow does (FFCV averages areas).

`with_batch_size` and `with_epochs` change what the sources change with them, and leave the rest:
all of them warm up for a fixed number of epochs. Milestones are stretched, where torchvision's
script has a fixed number of epochs between them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

from imnet_data.arguments import integer, number, one_of
from imnet_data.transforms import EvalRecipe, Progressive, TrainRecipe, published

_LONGEST_WARMUP = 0.5  # share of all epochs


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """What is done to weights, and to the pixels that they see."""

    name: str
    source: str  # where the numbers are from
    expected_top1: str  # percent that the source reports on ImageNet's val split, and of what
    model: str = "resnet50"  # as `models.build_model` takes it
    epochs: int = 90
    batch_size: int = 256  # images per step, of all ranks together
    pixels: TrainRecipe = field(default_factory=TrainRecipe)
    val_pixels: EvalRecipe = field(default_factory=EvalRecipe)
    val_flip: bool = False  # whether logits of the mirrored image are added in validation
    optimizer: Literal["sgd", "lamb"] = "sgd"
    learning_rate: float = 0.1  # its peak, at `batch_size`
    momentum: float = 0.9  # of sgd
    weight_decay: float = 1e-4
    decays_norm_and_bias: bool = True  # False: no weight decay on vectors and scalars
    schedule: Literal["step", "cosine", "linear"] = "step"
    milestones: tuple[float, ...] = (30, 60, 80)  # epochs where `step` divides the rate by 10
    warmup_epochs: float = 0  # the rate grows linearly to its peak
    warmup_start: float = 0.01  # share of the peak that it grows from
    loss: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    label_smoothing: float = 0.0  # of cross_entropy
    target_threshold: float | None = None  # soft targets above it become 1, the others 0
    ema_decay: float | None = None  # of a moving average of the weights, which is validated then
    ema_every: int = 1  # steps between its updates
    stochastic_depth: float = 0.0  # probability that the last block is left out; linear in depth
    blur: bool = False  # whether the model blurs before it strides
    zero_init: bool = False  # whether each block of the model starts as the identity

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "ema_every"):
            integer(name, getattr(self, name), least=1)
        number("learning_rate", self.learning_rate, above=0)
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; allowed are 0 to below 1")
        for name in ("label_smoothing", "stochastic_depth", "warmup_start"):
            number(name, getattr(self, name), least=0, most=1)
        for name in ("momentum", "weight_decay", "warmup_epochs"):
            number(name, getattr(self, name), least=0)
        one_of("optimizer", self.optimizer, ("sgd", "lamb"))
        one_of("schedule", self.schedule, ("step", "cosine", "linear"))
        one_of("loss", self.loss, ("cross_entropy", "binary_cross_entropy"))
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(f"label_smoothing is {self.label_smoothing}; {self.loss} has none")

    def with_batch_size(self, batch_size: int) -> TrainingRecipe:
        """Return the recipe for another batch size, with the learning rate and the EMA's decay.

        The rate grows with the batch size, or for LAMB with its square root.

        Source: Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.1; You et al., "Large
        batch optimization for deep learning", 2020, section 4.3, and timm 1.0, train.py.
        """
        factor = batch_size / self.batch_size
        rate_factor = math.sqrt(factor) if self.optimizer == "lamb" else factor
        return dataclasses.replace(
            self,
            batch_size=batch_size,
            learning_rate=self.learning_rate * rate_factor,
            ema_decay=self._adjusted_decay(factor),
        )

    def with_epochs(self, epochs: int) -> TrainingRecipe:
        """Return the recipe with its curves stretched over another number of epochs.

        The warm-up stays as long as it is, up to half of all epochs.

        Source: Li et al., "Budgeted training", 2020, section 3.
        """
        factor = epochs / self.epochs
        pixels = self.pixels
        if isinstance(pixels.size, Progressive):
            # FFCV's six configurations grow from 3/4 to 7/8 of the epochs, counted from 1
            start, end = (
                max(0, round((at + 1) * factor) - 1)
                for at in (pixels.size.start_epoch, pixels.size.end_epoch)
            )
            size = dataclasses.replace(pixels.size, start_epoch=start, end_epoch=end)
            pixels = dataclasses.replace(pixels, size=size)
        return dataclasses.replace(
            self,
            epochs=epochs,
            pixels=pixels,
            milestones=tuple(at * factor for at in self.milestones),
            warmup_epochs=min(self.warmup_epochs, _LONGEST_WARMUP * epochs),
            ema_decay=self._adjusted_decay(self.epochs / epochs),
        )

    def _adjusted_decay(self, factor: float) -> float | None:
        """Return the decay of the EMA where an update stands for `factor` times as much training.

        Source: pytorch/vision, references/classification/train.py, which computes the weight of an
        update as (1 - decay) * batch size * steps between updates / epochs, and at most 1.
        """
        return None if self.ema_decay is None else 1 - min(1.0, (1 - self.ema_decay) * factor)


_FFCV = "libffcv/ffcv-imagenet at 4dd291a, rn50_configs/{}.yaml, README.md and train_imagenet.py"

_FFCV_16 = TrainingRecipe(
    name="ffcv-rn50-16",
    source=_FFCV.format("rn50_16_epochs"),
    expected_top1="73.8 at 256 px with the mirrored image, with blur; trained on images of 500 px",
    epochs=16,
    batch_size=4096,  # 512 on each of 8 GPUs
    learning_rate=1.7,
    pixels=TrainRecipe(size=Progressive(min_size=160, max_size=192, start_epoch=11, end_epoch=13)),
    val_pixels=EvalRecipe(resize=293, crop=256),  # 256 px of a centre crop of 224/256
    val_flip=True,
    decays_norm_and_bias=False,
    schedule="linear",
    warmup_epochs=2,
    warmup_start=1e-4,
    label_smoothing=0.1,
    blur=True,
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        TrainingRecipe(
            name="torchvision-v1",
            source="pytorch/vision, references/classification/README.md, ResNet: 8 GPUs, batch 32",
            expected_top1="76.130 (ResNet50_Weights.IMAGENET1K_V1; resnet18: 69.758)",
            milestones=(30, 60),
        ),
        TrainingRecipe(
            name="torchvision-v2",
            source=(
                "pytorch/vision, references/classification/README.md, ResNet, new recipe; "
                "pytorch.org/blog, How to train state-of-the-art models using TorchVision's latest "
                "primitives"
            ),
            expected_top1=(
                "80.858 with repeated augmentation (ResNet50_Weights.IMAGENET1K_V2, "
                "pytorch/vision#5201); 80.674 as first published in the blog"
            ),
            epochs=600,
            batch_size=1024,  # 128 on each of 8 GPUs
            learning_rate=0.5,
            pixels=published.torchvision_v2(),
            val_pixels=EvalRecipe(resize=232, crop=224),
            weight_decay=2e-5,
            decays_norm_and_bias=False,  # the source decays biases; ResNet has that of `fc` only
            schedule="cosine",
            warmup_epochs=5,
            label_smoothing=0.1,
            ema_decay=1 - (1 - 0.99998) * 1024 * 32 / 600,  # see _adjusted_decay
            ema_every=32,
        ),
        TrainingRecipe(
            name="timm-a3",
            source=(
                "Wightman, Touvron, Jegou, ResNet strikes back, 2021 (arXiv 2110.00476), table 2, "
                "procedure A3; sizes, crop and LAMB as timm 1.0 has them (models/resnet.py, "
                "optim/lamb.py), rates, decay, policy and mixing as open-mmlab/mmpretrain at "
                "ee7f2e8, configs/resnet/resnet50_8xb256-rsb-a3-100e_in1k.py, which trains at 224"
            ),
            expected_top1="78.1 at 224 px (78.052 in timm's results/results-imagenet.csv)",
            epochs=100,
            batch_size=2048,
            optimizer="lamb",
            learning_rate=8e-3,
            weight_decay=0.02,
            decays_norm_and_bias=False,
            pixels=published.timm_a3(),
            val_pixels=EvalRecipe.timm(input_size=224, crop_pct=0.95),
            schedule="cosine",
            warmup_epochs=5,
            # this (start_factor) and the threshold are mmpretrain's, not from the table
            warmup_start=1e-4,
            loss="binary_cross_entropy",
            target_threshold=0.2,
            zero_init=True,
        ),
        _FFCV_16,
        dataclasses.replace(
            _FFCV_16.with_epochs(88),
            name="ffcv-rn50-88",
            source=_FFCV.format("rn50_88_epochs"),
            expected_top1="78.4 at 256 px with the mirrored image, with blur; on images of 500 px",
        ),
        TrainingRecipe(
            name="demo",
            source="this project: small enough for a CPU and the dataset of `imnet-data demo`",
            expected_top1="none is published: it is no recipe for ImageNet",
            model="resnet10",
            epochs=5,
            batch_size=32,
            learning_rate=0.02,
            pixels=TrainRecipe(size=64, scale=(0.35, 1.0)),
            val_pixels=EvalRecipe(resize=73, crop=64),
            schedule="cosine",
            warmup_epochs=0.5,
            label_smoothing=0.1,
        ),
    )
}


def get(name: str) -> TrainingRecipe:
    """Return the recipe called `name`; ValueError with all names if there is none."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name]
