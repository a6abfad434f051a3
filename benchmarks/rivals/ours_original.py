"""imnet-data's own loader on the files as they were published (`convert --jpeg original`)."""

from rivals.ours import batches, environment, install, setting

__all__ = ["batches", "environment", "install", "label", "reads", "setting"]

label = "**imnet-data**, original JPEGs"
reads = "webdataset"
