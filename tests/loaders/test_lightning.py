"""A Lightning run that goes on from a checkpoint sees the batches that were left, and no others."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from torchvision_prelude import TORCHVISION

import imnet_data as imnet
from imnet_data.synth import synth

_SCRIPT = """
import sys
import lightning, torch
from lightning.pytorch.callbacks import ModelCheckpoint
import imnet_data as imnet
from imnet_data.loaders.lightning import LoaderPosition
from imnet_data.loaders.torch import TorchLoader

seen = []

class Module(lightning.LightningModule):
    def __init__(self, estimates):
        super().__init__()
        self.estimates = estimates
        self.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 3))

    def train_dataloader(self):
        opened = imnet.open_loader(sys.argv[1], imnet.TrainRecipe(size=32), batch_size=4, threads=1)
        return TorchLoader(opened)

    def training_step(self, batch, batch_idx):
        seen.append(batch[0].clone())
        return torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def configure_optimizers(self):
        steps = self.trainer.estimated_stepping_batches if self.estimates else 3 * 7
        optimizer = torch.optim.SGD(self.parameters(), lr=0.001)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

def fit(folder, callbacks, estimates, checkpoint=None):
    seen.clear()
    keep = ModelCheckpoint(folder, save_top_k=-1, every_n_train_steps=1, filename="{step}")
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        callbacks=[keep, *callbacks],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(estimates), ckpt_path=checkpoint)
    return list(seen)

for estimates, callbacks in ((False, []), (False, [LoaderPosition()]), (True, [LoaderPosition()])):
    folder = f"{sys.argv[2]}/{estimates}{len(callbacks)}"
    whole = fit(folder, callbacks, estimates)
    assert len(whole) == 3 * 7
    for step in (3, 7, 10):  # in mid-epoch, between two, in mid-epoch of the second
        callbacks = [type(callback)() for callback in callbacks]
        rest = fit(folder + "rest", callbacks, estimates, f"{folder}/step={step}.ckpt")
        assert len(rest) == len(whole) - step, (estimates, step, len(rest))
        assert all(torch.equal(a, b) for a, b in zip(rest, whole[step:])), (estimates, step)
print("whole")
"""


@pytest.mark.slow
def test_a_run_goes_on_also_where_lightning_forgets_the_loaders_state(tmp_path):
    for name in ("torch", "lightning"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    synth(
        tmp_path / "in",
        class_count=3,
        images_per_class=10,
        val_per_class=1,
        test_count=1,
        mean_nbytes=3000,
    )
    imnet.convert([tmp_path / "in"], tmp_path / "out", workers=1)
    (tmp_path / "script.py").write_text(TORCHVISION + _SCRIPT)
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py")]
    done = subprocess.run(
        [*command, str(tmp_path / "out"), str(tmp_path / "run")],
        env=os.environ | {"PYTHONPATH": str(Path(imnet.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split().count("whole") == 1
