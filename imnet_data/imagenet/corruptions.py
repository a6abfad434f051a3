"""ImageNet-C: its corruptions, and AlexNet's errors, by which theirs are divided.

The corruption error of a model is its error over the five severities divided by AlexNet's; mCE is
the mean over 15 corruptions, in percent. The relative one takes both models' clean errors off.
AlexNet's clean error is that of the weights that the errors are of.

Source: Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", ICLR 2019, sections 4.1 and 5.1; alibaba/easyrobust, easyrobust/benchmarks (the
errors, which are means of the paper's per severity); pytorch/vision, models/alexnet.py (56.522 %).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGENET_C = "imagenet-c"
SEVERITIES = ("1", "2", "3", "4", "5")
ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
ALEXNET_CLEAN = 0.43478
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
ALL = (*ALEXNET, *EXTRA)


class CorruptionErrors(NamedTuple):
    """What a model's errors on ImageNet-C come to."""

    errors: dict[str, float]  # of each corruption, over its severities, 0 to 1
    is_whole: bool  # whether all 15 are there in all severities
    has_all_images: bool  # and with all of their images

    def relative_to_alexnet(self) -> dict[str, float]:
        """Return the corruption error of each of the 15 that are here, in percent."""
        return {
            name: 100 * error / ALEXNET[name]
            for name, error in self.errors.items()
            if name in ALEXNET
        }

    def mce(self) -> float | None:
        """Return the mean corruption error in percent; None where some are missing."""
        return _mean(self.relative_to_alexnet()) if self.is_whole else None

    def relative_mce(self, clean_error: float) -> float | None:
        """Return the relative one, of a model with this error on the clean images, 0 to 1."""
        if not self.is_whole:
            return None
        return _mean(
            {
                name: 100 * (self.errors[name] - clean_error) / (alexnet - ALEXNET_CLEAN)
                for name, alexnet in ALEXNET.items()
            }
        )


def _mean(of_each: Mapping[str, float]) -> float:
    return sum(of_each.values()) / len(of_each)
