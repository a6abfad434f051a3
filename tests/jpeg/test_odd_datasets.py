"""A dataset of damaged and odd images, kept as they are: all parts agree on every record of it."""

from collections import Counter

import numpy as np
import pytest
from jpeg_images import pillow_or_none
from odd_jpegs import odd_jpegs

from imnet_data import jpeg
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImageError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import published_as, source_of
from imnet_data.transforms import EvalRecipe, eval_image
from imnet_data.verification.verify import verify

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF

RECIPE = EvalRecipe(resize=20, crop=16)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder of 573 files, every other one of the corpus."""
    folder = tmp_path_factory.mktemp("odd") / "train" / "n01440764"
    folder.mkdir(parents=True)
    for number, (_, image) in enumerate(odd_jpegs()[::2]):
        (folder / f"n01440764_{number}.JPEG").write_bytes(image)
    return folder.parent.parent


@pytest.fixture(scope="module")
def root(tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("kept") / "out"
    convert([tree], out, options=Options(bad="keep", jpeg="seekable", classes=("found",)))
    return out


@pytest.fixture(scope="module")
def pixels(root):
    """Pillow's pixels of each record by its key, None where it makes none."""
    with Dataset.open(root, "train") as dataset:
        return {record.key: pillow_or_none(record.jpeg) for record in dataset}


def test_the_manifest_has_the_verdict_on_what_is_stored(root, tree):
    counts = Counter[str]()
    with Dataset.open(root, "train") as dataset:
        for entry in dataset.entries():
            image = (tree / "train" / "n01440764" / f"{entry.key}.JPEG").read_bytes()
            assert (entry.verdict or "plain") == jpeg.examine(image).verdict
            counts[entry.verdict] += 1
        counts.pop("")
        assert dataset.split_description.verdicts == counts
        assert sum(counts.values()) > 300


def test_verify_with_decode_reports_what_nobody_decodes_and_nothing_else(root, pixels):
    assert verify(root) == []
    found = verify(root, decode=True)
    assert {difference.key for difference in found} == {
        key for key, image in pixels.items() if image is None
    }
    assert all(difference.what.startswith("cannot be decoded: ") for difference in found)


def test_the_loader_gives_pillows_pixels_and_skips_what_nobody_decodes(root, pixels):
    dataset = Dataset.open(root, "train")
    keys = [key.decode() for key in dataset.index.key]
    schedule = Schedule(count=len(keys), batch_size=64, order="sequential", last="ragged")
    source = source_of(dataset)
    with CpuLoader(source, RECIPE, schedule, on_error="skip", dataset=dataset) as loader:
        with pytest.warns(RuntimeWarning, match="records were skipped"):
            batches = list(loader.epoch(0))
        assert {keys[index] for index in loader.skipped} == {
            key for key, image in pixels.items() if image is None
        }
        assert loader.damaged == np.count_nonzero(published_as(source, "damaged")) > 100
    for batch in batches:
        for index, image in zip(batch.indices.tolist(), batch.images, strict=True):
            assert np.array_equal(image, eval_image(pixels[keys[index]], RECIPE)), keys[index]


def test_the_map_style_dataset_gives_pillows_pixels_or_an_error(root, pixels):
    pytest.importorskip("torch")
    from imnet_data.loaders.torch_dataset import ImageNet

    images = ImageNet(root, "train")
    with Dataset.open(root, "train") as dataset:
        keys = [key.decode() for key in dataset.index.key]
    for index, key in enumerate(keys):
        if pixels[key] is None:
            message = rf"^{key} \(record {index}\) in .*, and was kept; .* --bad skip` leaves"
            with pytest.raises(ImageError, match=message):
                images[index]
        else:
            assert np.array_equal(np.asarray(images[index][0]), pixels[key]), key
