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

pytestmark = pytest.mark.slow

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

_RANKS = """
import sys
import lightning, torch
from lightning.pytorch.callbacks import ModelCheckpoint
import imnet_data as imnet
from imnet_data.loaders.torch import TorchLoader

seen, scored = [], []

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 3))

    def opened(self, recipe):
        loader = imnet.open_loader(sys.argv[1], recipe, batch_size=5, threads=1)
        return TorchLoader(loader, with_indices=True)

    def train_dataloader(self):
        return self.opened(imnet.TrainRecipe(size=32))

    def val_dataloader(self):
        return self.opened(imnet.EvalRecipe(resize=36, crop=32))

    def training_step(self, batch, batch_idx):
        images, labels, indices = batch
        seen.append((indices.tolist(), images.clone()))
        return torch.nn.functional.cross_entropy(self.model(images), labels)

    def validation_step(self, batch, batch_idx):
        scored.append(batch[2].tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.001)

def fit(folder, checkpoint=None):
    seen.clear()
    keep = ModelCheckpoint(folder, save_top_k=-1, every_n_train_steps=1, filename="{step}")
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        callbacks=[keep],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), ckpt_path=checkpoint)
    return list(seen)

def of_all_ranks(mine):
    found = [None, None]
    torch.distributed.all_gather_object(found, mine)
    return sorted(index for rank in found for indices in rank for index in indices)

whole = fit(sys.argv[2])
assert len(whole) == 2 * 3, len(whole)
for epoch in range(2):
    mine = [indices for indices, _ in whole[3 * epoch : 3 * epoch + 3]]
    assert of_all_ranks(mine) == list(range(30))
assert of_all_ranks(scored) == sorted(2 * list(range(9)))
rest = fit(sys.argv[2] + "rest", f"{sys.argv[2]}/step=4.ckpt")
assert [indices for indices, _ in rest] == [indices for indices, _ in whole[4:]]
assert all(torch.equal(one, other) for (_, one), (_, other) in zip(rest, whole[4:]))
print("whole")
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """30 images to train with and 9 to evaluate on."""
    for name in ("torch", "lightning"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    root = tmp_path_factory.mktemp("lightning")
    synth(
        root / "in",
        class_count=3,
        images_per_class=10,
        val_per_class=3,
        test_count=1,
        mean_nbytes=3000,
    )
    imnet.convert([root / "in"], root / "out", workers=1)
    return root / "out"


def run(options, script, dataset, folder):
    """Run a script as a program, and return the words that it prints."""
    path = folder / "script.py"
    path.write_text(TORCHVISION + script)
    kept = {name: text for name, text in os.environ.items() if name not in {"RANK", "WORLD_SIZE"}}
    kept |= {"PYTHONPATH": str(Path(imnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *options, str(path), str(dataset), str(folder / "run")],
        env=kept,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_two_ranks_see_each_record_once_and_go_on_in_mid_epoch(dataset, tmp_path):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    assert run(launcher, _RANKS, dataset, tmp_path).count("whole") == 2


def test_a_run_goes_on_also_where_lightning_forgets_the_loaders_state(dataset, tmp_path):
    assert run(["-W", "ignore"], _SCRIPT, dataset, tmp_path) == ["whole"]
