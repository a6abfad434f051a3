"""transformers' Trainer fed by our loaders: trains, evaluates, and goes on from a checkpoint."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torchvision_prelude import TORCHVISION

import imnet_data as imnet
from imnet_data.synth import synth

pytestmark = pytest.mark.slow

_SCRIPT = """
import copy, os, sys
import torch, transformers
import imnet_data as imnet
from imnet_data.loaders.accelerate import AccelerateLoader
from imnet_data.loaders.torch import TorchLoader

seen = []

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3 * 32 * 32, 3)

    def forward(self, pixel_values, labels):
        if self.training:
            seen.append(pixel_values.clone())
        logits = self.linear(pixel_values.flatten(1))
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

def open_split(recipe):
    opened = imnet.open_loader(sys.argv[1], recipe, batch_size=2, threads=1)
    return AccelerateLoader(TorchLoader(opened, names=("pixel_values", "labels")))

def run(checkpoint=None):
    transformers.set_seed(0)
    seen.clear()
    arguments = transformers.TrainingArguments(
        sys.argv[2],
        num_train_epochs=2,
        per_device_train_batch_size=2,
        per_device_eval_batch_size=2,
        gradient_accumulation_steps=2,
        save_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        Model(), arguments, compute_metrics=lambda outcome: {"labels": outcome.label_ids.tolist()}
    )
    train = open_split(imnet.TrainRecipe(size=32))
    validation = open_split(imnet.EvalRecipe(resize=36, crop=32))
    trainer.get_train_dataloader = lambda: train
    trainer.get_eval_dataloader = lambda eval_dataset=None: validation
    trainer.train(resume_from_checkpoint=checkpoint)
    with imnet.Dataset.open(sys.argv[1], "val") as dataset:
        assert trainer.evaluate()["eval_labels"] == dataset.labels.tolist()
    return trainer, list(seen), {k: v.clone() for k, v in trainer.model.state_dict().items()}

trainer, batches, weights = run()
per_epoch = 30 // (2 * trainer.args.world_size)
steps = -(-per_epoch // 2)
assert len(batches) == 2 * per_epoch, len(batches)
assert trainer.state.global_step == 2 * steps, trainer.state.global_step
for step in (1, steps, steps + 1):  # in mid-epoch, at the end of one, in the next
    taken = 2 * step if step < steps else per_epoch + 2 * (step - steps)
    _, rest, again = run(f"{sys.argv[2]}/checkpoint-{step}")
    assert len(rest) == len(batches) - taken > 0, (step, len(rest))
    assert all(torch.equal(a, b) for a, b in zip(rest, batches[taken:]))
    assert all(torch.equal(again[name], value) for name, value in weights.items())
print("whole", flush=True)
# gloo's thread may give back a tensor while Python ends, which aborts: torch 2.13, CPython 3.11
os._exit(0)
"""


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_trainer_trains_evaluates_and_resumes_to_the_same_weights(tmp_path, world_size):
    for name in ("torch", "accelerate", "transformers"):
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
    (tmp_path / "script.py").write_text(TORCHVISION + _SCRIPT)
    command = [sys.executable, "-W", "ignore"]
    if world_size > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world_size}"]
    command += [str(tmp_path / "script.py"), str(tmp_path / "out"), str(tmp_path / "run")]
    kept = {
        name: text for name, text in os.environ.items() if not re.match(r"RANK|WORLD_SIZE", name)
    }
    package = str(Path(imnet.__file__).parents[1])
    kept |= {
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("whole") == world_size
