"""Loaders that read from an object store; each has a module in `rivals`."""

LOADERS = {  # its module, the folder of its input, and options of its `batches`
    "shuffled": ("ours", "shards", {"order": "shuffled"}),
    "block": ("ours", "shards", {"order": "block"}),
    "LitData": ("litdata", "litdata", {}),
    "Streaming": ("streaming", "mds", {}),
}
FOLDERS = ("shards", "litdata", "mds")
LINK = "link"  # in the place of a loader: plain reads of all shards
BUCKET = "s3://bucket"
