"""A Keras run that is stopped in mid-epoch goes on with the batches that are left."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import imnet_data as imnet
from imnet_data.synth import synth

_SCRIPT = """
import sys
import keras
import numpy as np
import imnet_data as imnet

root, path = sys.argv[1:]
recipe = imnet.TrainRecipe(size=32)
loader = imnet.open_loader(root, recipe, batch_size=4, threads=1)
assert len(loader) == 7

def batches(first, seen):
    epoch, start = divmod(first, len(loader))
    while True:
        for images, labels, _ in loader.epoch(epoch, start=start):
            seen.append(images.copy())
            yield images, labels
        epoch, start = epoch + 1, 0

def new_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((32, 32, 3), dtype="uint8"),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Normalization(mean=recipe.mean, variance=np.square(recipe.std)),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.001, momentum=0.9), loss, metrics=["accuracy"])
    return model

def fit(model, seen, steps):
    first = int(model.optimizer.iterations)
    model.fit(batches(first, seen), steps_per_epoch=steps, verbose=0)
    assert int(model.optimizer.iterations) == first + steps
    return seen[:steps]  # Keras asks for a batch ahead

whole = new_model()
expected = fit(whole, [], 14)
for stop in (3, 7, 10):
    model = new_model()
    fit(model, [], stop)
    model.save(path)
    rest = fit(keras.models.load_model(path), [], 14 - stop)
    assert len(rest) == 14 - stop
    assert all(map(np.array_equal, rest, expected[stop:])), stop
    resumed = keras.models.load_model(path)
    fit(resumed, [], 14 - stop)
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-5), stop

with imnet.open_loader(root, imnet.EvalRecipe(resize=36, crop=32), batch_size=4) as val:
    counted = []
    def counting():
        for images, labels, _ in val.epoch(0):
            counted.append(len(labels))
            yield images, labels
    loss, accuracy = whole.evaluate(counting(), verbose=0)
    images = np.concatenate([batch.images for batch in val.epoch(0)])
    labels = np.concatenate([batch.labels for batch in val.epoch(0)])
    assert sum(counted) == len(labels) == 9
    right = whole.predict(images, verbose=0).argmax(1) == labels
    assert abs(accuracy - right.mean()) < 1e-6
print("whole", keras.backend.backend())
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_run_goes_on_in_mid_epoch_and_evaluates_each_record_once(
    tmp_path: Path, backend: str
) -> None:
    for name in ("keras", backend):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    synth(
        tmp_path / "in",
        class_count=3,
        images_per_class=10,
        val_per_class=3,
        test_count=1,
        mean_nbytes=3000,
    )
    imnet.convert([tmp_path / "in"], tmp_path / "out", workers=1)
    (tmp_path / "script.py").write_text(_SCRIPT)
    words = [sys.executable, "-W", "ignore", str(tmp_path / "script.py"), str(tmp_path / "out")]
    done = subprocess.run(
        [*words, str(tmp_path / "model.keras")],
        env=os.environ
        | {"KERAS_BACKEND": backend, "PYTHONPATH": str(Path(imnet.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["whole", backend]
