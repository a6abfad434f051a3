"""FFCV's Loader on a beton of raw pixels, in which FFCV's writer leaves at most 500 on a side."""

from rivals.ffcv import batches, environment, install, needs
from rivals.ffcv import setting as loader_setting

__all__ = ["batches", "environment", "install", "label", "needs", "prepare", "reads", "setting"]

label = "FFCV 1.0.2, raw pixels, at most 500 on a side"
reads = "beton_raw_500"
setting = f"{loader_setting}; not all of the image's pixels, where it is larger"


def prepare(folder, out, side=500):
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    from rivals.torchvision import import_torchvision

    images = import_torchvision().datasets.ImageFolder(str(folder))
    fields = {
        "image": RGBImageField(write_mode="raw", max_resolution=side),
        "label": IntField(),
    }
    (out / "train").mkdir(parents=True)
    writer = DatasetWriter(str(out / "train" / "train.beton"), fields, num_workers=1)
    writer.from_indexed_dataset(images)
