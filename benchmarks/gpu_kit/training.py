"""Training: each precision, the CPU's first loss, resuming, compiling, NCCL, waits of the host."""

import dataclasses
import json
import os

import torch
import torch.distributed as dist

from gpu_kit.checks import Skipped, counting_synchronisations, need_gpu, require
from imnet_data.train import batches, checkpoint, loop, recipes
from imnet_data.train.checkpoint import Position
from imnet_data.train.distributed import Ranks
from imnet_data.train.execution import Execution, settings
from imnet_data.train.learner import Learner
from imnet_data.transforms import EvalRecipe, TrainRecipe

TINY = dataclasses.replace(
    recipes.get("demo").with_batch_size(8),
    pixels=TrainRecipe(size=32, scale=(0.5, 1.0)),
    val_pixels=EvalRecipe(resize=36, crop=32),
)
WARM_UP = 2  # steps in which tables are sent, and cuDNN looks for algorithms
STEPS = 4  # after them, in which waits are counted
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before the first product


def run(check, place):
    """Run the assertions of this section."""
    execution = Execution(device=place.device, channels_last=True, log_every=1)
    for precision in ("fp32", "bf16", "fp16"):
        with check(f"{precision}: the loss is finite, and every record is validated") as facts:
            if precision == "fp16":
                need_gpu(place)
            facts["losses"] = trained(place, precision, execution._replace(precision=precision))
    with check("the first loss is that of the CPU") as facts:
        ours = trained(place, "here", execution._replace(max_steps=1))[0]
        cpu = trained(place, "cpu", execution._replace(device="cpu", max_steps=1))[0]
        facts["here"], facts["cpu"] = ours, cpu
        require(abs(ours - cpu) < 5e-3 * abs(cpu), "the losses differ")
    with check("a resumed run ends with the weights of one that was not stopped") as facts:
        facts["steps"] = resumed(place, execution._replace(is_deterministic=True))
    with check("with torch.compile the first loss is the same") as facts:
        need_gpu(place)  # minutes on a CPU
        facts["losses"] = trained(
            place, "compiled", execution._replace(compiles=True, precision="bf16", max_steps=4)
        )
    with check("gradients and weights go through the process group, of one rank") as facts:
        facts["loss"] = in_a_group(place, execution)
    recipes_of_waits = {
        "torchvision-v1": ("fp32", "bf16", "fp16"),
        "torchvision-v2": ("bf16",),
        "timm-a3": ("bf16",),
    }
    for name, precisions in recipes_of_waits.items():
        for precision in precisions:
            with check(f"waits of the host per step: {name}, {precision}") as facts:
                found = waits(place, name, execution._replace(precision=precision))
                if place.is_rehearsal:
                    raise Skipped("steps were made, but only a GPU can be waited for")
                facts["waits"] = found
                # GradScaler looks whether gradients are finite
                most = STEPS if precision == "fp16" else 0
                require(len(found) <= most, "torch saw synchronisations")


def trained(place, name, execution):
    """Train a little, and return the losses."""
    out = place.folder / "runs" / name
    recipe, limit = TINY.with_epochs(place.of(2, 1)), place.of(48, 24)
    loop.train(place.dataset, out, recipe, execution=execution, limit=limit)
    events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    found = [event["loss"] for event in events if event["event"] == "train"]
    require(found, "nothing was logged")
    if execution.max_steps is None:
        (records,) = {event["records"] for event in events if event["event"] == "val"}
        require(records > 0, "nothing was validated")
    return found


def resumed(place, execution):
    """Stop a run and go on with it; return how many steps both runs took."""
    steps = len(trained(place, "whole", execution))
    trained(place, "stopped", execution._replace(max_steps=steps // 2 + 1))
    require(len(trained(place, "stopped", execution)) == steps, "steps are missing")
    one, two = (
        checkpoint.read(place.folder / "runs" / name / "weights.pt")["state_dict"]
        for name in ("whole", "stopped")
    )
    differing = [name for name, value in one.items() if not torch.equal(value, two[name])]
    require(not differing, f"{len(differing)} tensors differ, the first is {differing[:1]}")
    return steps


def learner_of(place, recipe, execution, ranks):
    """Return a learner, and the batches of an epoch for it."""
    opened = batches.open_training(
        place.dataset, recipe, seed=0, execution=execution, ranks=ranks._replace(world_size=1)
    )
    count = len(opened.dataset.classes)
    learner = Learner(count, recipe, seed=0, execution=execution, start=None, ranks=ranks)
    return learner, opened


def in_a_group(place, execution):
    """Step with gradients that are summed over a group of one process, and send the weights."""
    device = torch.device(place.device, 0) if place.device == "cuda" else torch.device("cpu")
    dist.init_process_group(
        "nccl" if place.device == "cuda" else "gloo",
        init_method=f"file://{place.folder / 'meeting'}",
        rank=0,
        world_size=1,
        device_id=device if place.device == "cuda" else None,
    )
    try:
        # 2, so that all is done that is done for several
        learner, opened = learner_of(place, TINY, execution, Ranks(0, 2, device))
        with opened:
            parts = opened.epoch(0)
            losses = [learner.step(Position(0, n), parts, rate=0.01).item() for n in range(2)]
            learner.settle()
    finally:
        dist.destroy_process_group()
    return losses


def waits(place, name, execution):
    """Return where the host waited for the device in some steps of a recipe."""
    recipe = dataclasses.replace(
        recipes.get(name).with_batch_size(8), model="resnet10", pixels=TINY.pixels
    )
    device = torch.device(place.device, 0) if place.device == "cuda" else torch.device("cpu")
    learner, opened = learner_of(place, recipe, execution, Ranks(0, 1, device))
    with opened, settings(execution):
        parts = opened.epoch(0)
        for step in range(place.of(WARM_UP, 0)):
            learner.step(Position(0, step), parts, rate=0.01)
        with counting_synchronisations(place) as found:
            for step in range(place.of(STEPS, 1)):
                learner.step(Position(0, WARM_UP + step), parts, rate=0.01)
    return found
