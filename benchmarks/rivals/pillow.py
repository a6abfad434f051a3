"""Pillow alone, with our order, crops and flips: whose pixels ours must equal to the last bit."""

import io

from rivals import BATCH_SIZE

label = "Pillow alone, no loader around it"
environment = ""
install = ""
reads = "webdataset"
setting = "one core"


def batches(root, cores):
    import numpy as np
    from PIL import Image

    from imnet_data import Dataset, TrainRecipe
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.transforms import train_boxes

    del cores
    recipe = TrainRecipe()
    size = (recipe.size, recipe.size)
    dataset = Dataset.open(root, "train")
    schedule = Schedule(count=len(dataset), batch_size=BATCH_SIZE)

    def epoch(number):
        order = schedule.epoch_order(number)
        for step in range(len(schedule)):
            indices = schedule.batch(order, step)
            images = [Image.open(io.BytesIO(dataset[index].jpeg)) for index in indices.tolist()]
            sizes = np.array([image.size for image in images]).T
            boxes, flips = train_boxes(*sizes, indices, recipe=recipe, seed=0, epoch=number)
            pixels = np.empty((len(images), *size, 3), np.uint8)
            for row, image in enumerate(images):
                crop = image.convert("RGB").crop(boxes[row].tolist())
                crop = np.asarray(crop.resize(size, Image.Resampling.BILINEAR))
                pixels[row] = crop[:, ::-1] if flips[row] else crop
            yield pixels, dataset.labels[indices]

    return epoch
