"""What the tests of all formats share."""

import io

import pytest
from PIL import Image

from imnet_data import formats
from imnet_data.formats import Format, Sample
from imnet_data.record import Record


@pytest.fixture(scope="session")
def samples(records: list[Record]) -> list[Sample]:
    """The seven records as a format is given them; labels are positions among their classes."""
    classes = sorted({record.wnid for record in records})
    sizes = [Image.open(io.BytesIO(record.jpeg)).size for record in records]
    return [
        Sample(record, classes.index(record.wnid), *size)
        for record, size in zip(records, sizes, strict=True)
    ]


@pytest.fixture(params=sorted(formats.FORMATS))
def format_name(request: pytest.FixtureRequest) -> str:
    """Each format in turn."""
    return str(request.param)


@pytest.fixture
def module(format_name: str) -> Format:
    """The module of each format in turn."""
    return formats.get(format_name)
