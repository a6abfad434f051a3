"""Records that each decoder would read in its own way: all loaders give Pillow's pixels of them."""

import io

import numpy as np
import pytest
from PIL import Image

from imnet_data import jpeg
from imnet_data.dataset.manifest import VERDICTS
from imnet_data.errors import ImageError
from imnet_data.jpeg import Verdict
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.jpegs import JpegReader
from imnet_data.loaders.schedule import Schedule
from imnet_data.transforms import EvalRecipe, MultiCropRecipe, Numbers

COUNT = 5
RECIPE = EvalRecipe(resize=16, crop=16)


class Source:
    """Five records: sound, cut with an end marker, with bytes between segments, a PNG, grey."""

    def __init__(self, *, marked):
        pixels = np.random.default_rng(3).integers(0, 256, (24, 31, 3), np.uint8)
        image = Image.fromarray(pixels)
        sound = self.file(image, "JPEG", quality=90)
        self.images = [
            sound,
            sound[: len(sound) // 2] + b"\xff\xd9",
            sound[:20] + b"\0\0" + sound[20:],
            self.file(image, "PNG"),
            self.file(image.convert("L"), "JPEG"),
        ]
        self.key = np.array([f"record_{number}" for number in range(COUNT)], "S10")
        self.label = np.arange(COUNT)
        self.width, self.height = np.full(COUNT, 31), np.full(COUNT, 24)
        self.pixels = np.zeros(COUNT, bool)
        damaged = VERDICTS.index("damaged")
        self.verdict = np.where(np.arange(COUNT) == 1, damaged, 0) if marked else None

    @staticmethod
    def file(image, kind, **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    def read(self, index):
        return self.images[index]


def batch_of(source):
    schedule = Schedule(count=COUNT, batch_size=COUNT, order="sequential", last="ragged")
    reader = JpegReader(source, RECIPE, schedule, threads=1, cut=False)
    try:
        return next(reader.epoch(0))
    finally:
        reader.close()


def test_readers_for_other_decoders_hand_them_only_what_all_read_alike():
    source = Source(marked=True)
    verdicts = [jpeg.examine(image).verdict for image in source.images]
    assert verdicts == [
        Verdict.PLAIN,
        Verdict.DAMAGED,
        Verdict.OTHER_DECODER,
        Verdict.NOT_A_JPEG,
        Verdict.PLAIN,
    ]
    batch = batch_of(source)
    assert [image[:2] for image in batch.images] == [b"\xff\xd8", b"P6", b"P6", b"P6", b"\xff\xd8"]
    for image, stored in zip(batch.images[1:4], source.images[1:4], strict=True):
        expected = np.asarray(Image.open(io.BytesIO(stored)).convert("RGB"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(image))), expected)
    assert batch.boxes.tolist() == [[0, 0, 31, 24]] * COUNT


def test_an_image_that_nobody_decodes_is_an_error_that_names_the_record():
    source = Source(marked=False)
    source.images[3] = source.images[3][:200]
    message = r"record_3 \(record 3\): it cannot be decoded by Pillow .*; run `imnet-data verify"
    with pytest.raises(ImageError, match=message):
        batch_of(source)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.filterwarnings("ignore:epoch 0. 1 records were skipped:RuntimeWarning")
def test_numbers_are_those_of_the_pixels_also_where_pillow_decodes(dtype, layout):
    schedule = Schedule(count=COUNT, batch_size=COUNT, order="sequential", last="ragged")
    numbers = Numbers((0.4, 0.5, 0.6), (0.3, 0.2, 0.1), dtype, layout)
    recipe = MultiCropRecipe(views=[(2, 16, 0.3, 1.0), (1, 8, 0.1, 0.3)])
    with CpuLoader(Source(marked=False), recipe, schedule, threads=1, on_error="skip") as loader:
        (pixels,) = loader.decoded(0)
        (made,) = loader.decoded(0, numbers=numbers)
        assert loader.decoded_by_pillow == 2 * 2
    assert made.indices.tolist() == pixels.indices.tolist() == [0, 2, 3, 4]
    assert [group.shape[:2] for group in made.groups] == [(2, 4), (1, 4)]
    for group, views in zip(made.groups, pixels.groups, strict=True):
        for found, images in zip(group, views, strict=True):
            assert np.array_equal(found, numbers.of(images))
