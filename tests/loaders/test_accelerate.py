"""`AccelerateLoader` under Accelerate's own accumulation, gathering, skipping and saving."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import imnet_data as imnet
from imnet_data.synth import synth

torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")

from imnet_data.loaders.accelerate import AccelerateLoader  # noqa: E402
from imnet_data.loaders.torch import TorchLoader  # noqa: E402

TRAIN = imnet.TrainRecipe(size=32)
EVALUATE = imnet.EvalRecipe(resize=36, crop=32)
NAMES = ("images", "labels", "indices")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset of 30 images to train with and 9 to evaluate on."""
    folder = tmp_path_factory.mktemp("accelerate")
    synth(
        folder / "in",
        class_count=3,
        images_per_class=10,
        val_per_class=3,
        test_count=1,
        mean_nbytes=3000,
    )
    imnet.convert([folder / "in"], folder / "out", workers=1)
    return folder / "out"


@pytest.fixture
def accelerator():
    made = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4)
    yield made
    made.free_memory()
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()


def opened(root, recipe=TRAIN, *, batch_size=2, **options):
    loader = imnet.open_loader(root, recipe, batch_size=batch_size, threads=1, **options)
    return AccelerateLoader(TorchLoader(loader, names=NAMES, with_indices=True))


def indices_of(batches):
    return [batch["indices"].tolist() for batch in batches]


def expected(root, epoch, recipe=TRAIN, start=0):
    with imnet.open_loader(root, recipe, batch_size=2) as loader:
        return [batch.indices.tolist() for batch in loader.epoch(epoch, start=start)]


def test_what_is_prepared_gives_one_epoch_after_another(root, accelerator):
    loader = accelerator.prepare(opened(root))
    assert isinstance(loader, AccelerateLoader)
    assert isinstance(loader, torch.utils.data.DataLoader)
    assert (len(loader), len(loader.dataset), loader.total_batch_size) == (15, 30, 2)
    for epoch in range(2):
        assert indices_of(loader) == expected(root, epoch)
    loader.set_epoch(7)
    assert indices_of(loader) == expected(root, 7)
    loader.close()


def test_fifteen_batches_in_groups_of_four_are_four_steps(root, accelerator):
    model = torch.nn.Linear(1, 1)
    loader, model, optimizer = accelerator.prepare(
        opened(root), model, torch.optim.SGD(model.parameters(), lr=0.1)
    )
    before, steps = 0, []
    for seen, batch in enumerate(loader, 1):
        with accelerator.accumulate(model):
            accelerator.backward(model(batch["labels"][:, None].float()).mean())
            optimizer.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            steps.append(seen - before)
            before = seen
    assert steps == [4, 4, 4, 3]
    loader.close()


def test_first_batches_are_skipped_without_being_made(root, accelerator):
    loader = accelerator.prepare(opened(root))
    loader.set_epoch(3)
    rest = accelerator.skip_first_batches(loader, 11)
    assert indices_of(rest) == expected(root, 3, start=11)
    assert indices_of(loader) == expected(root, 3)
    rest.set_epoch(5)
    assert indices_of(rest) == expected(root, 5, start=11)
    loader.close()


@pytest.mark.parametrize("taken", [0, 1, 7, 14, 15])
def test_a_saved_state_goes_on_in_mid_epoch_to_the_last_pixel(root, accelerator, tmp_path, taken):
    loader = accelerator.prepare(opened(root))
    loader.set_epoch(3)
    batches = iter(loader)
    for _ in range(taken):
        next(batches)
    accelerator.save_state(tmp_path / "state")
    rest = [copy.deepcopy(batch) for batch in batches] or list(loader)
    assert indices_of(rest) == expected(root, 3 + taken // 15, start=taken % 15)
    accelerator.load_state(tmp_path / "state")
    for batch, again in zip(rest, loader, strict=True):
        assert all(torch.equal(batch[name], again[name]) for name in NAMES)
    loader.close()


def test_the_epoch_of_a_state_at_its_end_has_nothing_left(root, accelerator):
    loader, other = opened(root), opened(root)
    loader.set_epoch(3)
    for _ in loader:
        state = loader.state_dict()
    other.load_state_dict(state)
    other.set_epoch(3)
    assert list(other) == []
    other.set_epoch(4)
    assert indices_of(other) == expected(root, 4)
    loader.close()
    other.close()


_RANK = """
import sys
import accelerate, torch
import imnet_data as imnet
from imnet_data.loaders.accelerate import AccelerateLoader
from imnet_data.loaders.torch import TorchLoader

accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4)

def opened(recipe):
    loader = imnet.open_loader(sys.argv[1], recipe, batch_size=2, threads=1)
    return accelerator.prepare(
        AccelerateLoader(TorchLoader(loader, names=("x", "y", "i"), with_indices=True))
    )

validation = opened(imnet.EvalRecipe(resize=36, crop=32))
seen = [i for batch in validation for i in accelerator.gather_for_metrics(batch["i"]).tolist()]
assert seen == list(range(9)), seen

train = opened(imnet.TrainRecipe(size=32))
model, optimizer = torch.nn.Linear(1, 1), None
model = accelerator.prepare(model)
steps, whole = 0, []
for batch in train:
    with accelerator.accumulate(model):
        accelerator.backward(model(batch["y"][:, None].float()).mean())
    steps += accelerator.sync_gradients
    whole += accelerator.gather_for_metrics(batch["i"]).tolist()
per_epoch = 30 // (2 * accelerator.num_processes)
assert len(train) == per_epoch and steps == -(-per_epoch // 4), (len(train), steps)
assert len(set(whole)) == len(whole) == per_epoch * 2 * accelerator.num_processes

batches = iter(train)
for _ in range(2):
    next(batches)
accelerator.save_state(sys.argv[2])
rest = [batch["x"].clone() for batch in batches]
assert len(rest) == per_epoch - 2
accelerator.wait_for_everyone()  # rank 0 has written the weights
accelerator.load_state(sys.argv[2])
for images, batch in zip(rest, train, strict=True):
    assert torch.equal(images, batch["x"])
train.set_epoch(1)
skipped = accelerator.skip_first_batches(train, 2)
for images, batch in zip(rest, skipped, strict=True):
    assert torch.equal(images, batch["x"])
print("whole")
accelerator.end_training()
"""


@pytest.mark.slow
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_gather_every_record_exactly_once_and_go_on_together(root, tmp_path, world_size):
    (tmp_path / "script.py").write_text(_RANK)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += [str(world_size), str(tmp_path / "script.py"), str(root), str(tmp_path / "state")]
    kept = {
        name: text for name, text in os.environ.items() if not re.match(r"RANK|WORLD_SIZE", name)
    }
    kept |= {"PYTHONPATH": str(Path(imnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split().count("whole") == world_size
