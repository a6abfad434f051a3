"""Of a packed JPEG, the loader reads what is before its blocks, and the rows of the crop."""

import numpy as np
from jpeg_images import encoded, photo

from imnet_data import Options, TrainRecipe, convert, open_loader
from imnet_data.dataset.description import Jpeg


def test_crops_of_packed_files_are_those_of_published_ones(tmp_path):
    folder = tmp_path / "images" / "train" / "n01440764"
    folder.mkdir(parents=True)
    for number, comment in enumerate((0, 3000, 5000, 60_000)):  # before the blocks
        image = encoded(photo(500, 400, seed=number), quality=90, comment=bytes(comment))
        assert len(image) > 3 * 4096
        (folder / f"n01440764_{number}.JPEG").write_bytes(image)
    epochs = []
    forms: list[Jpeg] = ["original", "packed"]
    for form in forms:
        options = Options(jpeg=form, classes=("found",))
        convert([tmp_path / "images"], tmp_path / form, format="webdataset", options=options)
        with open_loader(tmp_path / form, TrainRecipe(size=48), batch_size=4, threads=1) as loader:
            epochs.append([next(loader.epoch(number)) for number in range(12)])
    for published, packed in zip(*epochs, strict=True):
        np.testing.assert_array_equal(packed.images, published.images)
