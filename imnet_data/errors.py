"""What can go wrong with the data, as one tree; `except ImnetError` catches all of it.

ImnetError
├── SourceError      an input (tarball, tree, devkit) is not what it should be
├── LabelError       a wnid or a label table does not belong here
├── ImageError       the bytes of one image are not what a JPEG should be
├── FormatError      a shard is damaged, or of another format
├── ManifestError    a manifest, index or dataset.json is damaged
├── ConvertError     a conversion can not start, or not go on
└── MissingExtra     a package that this needs is not installed

A caller's mistake (a bad argument) is a ValueError, not one of these.
"""


class ImnetError(Exception):
    """Base of all errors about data; its text says what was wrong, where, and what to do next."""


class SourceError(ImnetError):
    """An input is not what it should be: cut short, of another shape, or unsafe."""


class LabelError(ImnetError):
    """A wnid or a label table does not belong to this dataset."""


class ImageError(ImnetError):
    """The bytes of one image are not what a JPEG should be."""


class FormatError(ImnetError):
    """A shard is damaged, or was not written in the format it is opened as."""


class ManifestError(ImnetError):
    """A manifest, an index or a dataset.json is damaged, or they do not belong together."""


class ConvertError(ImnetError):
    """A conversion can not start, or can not go on."""


class MissingExtra(ImnetError):
    """A package that this needs is not installed; the text has the pip line."""
