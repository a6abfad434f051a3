"""`imnet-data train`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from imnet_data.augment.recipes import POLICIES, ColorJitter, Erasing, PolicyName
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import cache, cache_size, opened, out_path, place
from imnet_data.errors import MissingExtra
from imnet_data.train import recipes

if TYPE_CHECKING:
    from imnet_data.train.loop import Outcome
    from imnet_data.train.recipes import TrainingRecipe

_WEIGHTS = click.Path(exists=True, dir_okay=False, path_type=Path)


def _show_recipes(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        for recipe in recipes.RECIPES.values():
            click.echo(
                f"{recipe.name}: {recipe.model}, {recipe.epochs} epochs of {recipe.batch_size} "
                f"images per step\n  top-1: {recipe.expected_top1}\n  from:  {recipe.source}"
            )
        context.exit()


@click.command(
    "train",
    epilog=examples(
        "imnet-data train imagenet --recipe demo --out runs/demo",
        "imnet-data train imagenet --precision bf16 --channels-last",
        "imnet-data train imagenet --epochs 5 --finetune runs/demo/weights.pt",
    ),
)
@click.argument("dataset", type=place)
@click.option("--out", type=out_path, help="Folder of the run.  [default: runs/RECIPE]")
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(list(recipes.RECIPES)),
    default="torchvision-v1",
    show_default=True,
    help="Recipe to train by; --recipes lists them.",
)
@click.option(
    "--recipes",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_recipes,
    help="List the recipes with their sources, and exit.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Model to train: resnet18, resnet50, resnet18_gn, ..., torchvision:NAME or timm:NAME.  "
    "[default: the recipe's]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    metavar="N",
    help="Number of epochs; the recipe's schedule is stretched or compressed to fit.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    help="Images per step over all ranks; the learning rate is scaled with it.",
)
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    metavar="RATE",
    help="Peak learning rate.  [default: the recipe's, scaled with --batch-size]",
)
@click.option(
    "--augment",
    type=click.Choice(["none", *POLICIES]),
    help="Augmentation policy to use instead of the recipe's.",
)
@click.option(
    "--color-jitter",
    type=float,
    nargs=4,
    metavar="BRIGHTNESS CONTRAST SATURATION HUE",
    help="Ranges of the random colour changes, for example 0.4 0.4 0.4 0.1.",
)
@click.option(
    "--erase",
    type=click.FloatRange(0, 1),
    metavar="PROBABILITY",
    help="Probability that a random rectangle of an image is erased.",
)
@click.option(
    "--seed",
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of weights, order, crops and augmentation.",
)
@click.option("--finetune", type=_WEIGHTS, help="Train these weights further, with a new head.")
@click.option(
    "--features", type=_WEIGHTS, help="Keep these weights fixed, and train only a new head."
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Device to train on.  [default: cuda if there is a GPU, else cpu]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="Precision of the operations that autocast can run in 16 bits.",
)
@click.option(
    "--channels-last", is_flag=True, help="Use the channels-last memory format that suits GPUs."
)
@click.option("--compile", "compiles", is_flag=True, help="Compile the model with torch.compile.")
@click.option(
    "--deterministic",
    is_flag=True,
    help="Refuse operations whose results can differ from run to run.",
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Split each rank's batch into N parts, to save memory.",
)
@click.option(
    "--loader",
    type=click.Choice(["cpu", "dali"]),
    default="cpu",
    show_default=True,
    help="Loader of the training images: CPU threads, or DALI on the device.",
)
@click.option(
    "--loader-threads",
    type=click.IntRange(1),
    metavar="N",
    help="Number of threads of the loader.  [default: one per core]",
)
@click.option(
    "--log-every",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="STEPS",
    help="Steps between two lines of the log.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="STEPS",
    help="Steps between two checkpoints.",
)
@click.option(
    "--max-steps",
    type=click.IntRange(1),
    metavar="N",
    help="Stop after N steps of the run; the same command without this resumes it.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Train on only N images in each epoch, to try a run out.",
)
@cache
@cache_size
def command(
    dataset: Path | str,
    out: Path | None,
    recipe_name: str,
    model: str | None,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    augment: PolicyName | Literal["none"] | None,
    color_jitter: tuple[float, float, float, float] | None,
    erase: float | None,
    seed: int,
    finetune: Path | None,
    features: Path | None,
    device: Literal["cpu", "cuda"] | None,
    precision: Literal["fp32", "bf16", "fp16"],
    channels_last: bool,
    compiles: bool,
    deterministic: bool,
    accumulate: int,
    loader: Literal["cpu", "dali"],
    loader_threads: int | None,
    log_every: int,
    checkpoint_every: int,
    max_steps: int | None,
    limit: int | None,
    cache: Path | None,
    cache_size: int | None,
) -> None:
    """Train a model on DATASET by a recipe, and validate it after each epoch.

    DATASET may be the URL of one in an object store: add --cache. To resume a stopped run, run the
    same command again. On several GPUs:

    torchrun --nproc-per-node 8 -m imnet_data train DATASET ...
    """
    if finetune and features:
        raise click.UsageError("--finetune and --features exclude each other")
    try:
        import torch

        from imnet_data.train import loop
        from imnet_data.train.execution import Execution
        from imnet_data.train.transfer import FINETUNE_RATE, Transfer
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra(
            "training needs torch, which is not installed; "
            "in a clone of imnet-data, run: pip install '.[torch]'"
        ) from error
    weights = finetune or features
    try:
        recipe = _recipe(recipe_name, model=model, epochs=epochs, batch_size=batch_size)
        recipe = _augmented(recipe, augment=augment, color_jitter=color_jitter, erase=erase)
        rate = lr or recipe.learning_rate * (FINETUNE_RATE if finetune else 1)
        outcome = loop.train(
            opened(dataset, cache, cache_size),
            out or Path("runs") / recipe_name,
            dataclasses.replace(recipe, learning_rate=rate),
            seed=seed,
            execution=Execution(
                device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
                precision=precision,
                channels_last=channels_last,
                compiles=compiles,
                is_deterministic=deterministic,
                accumulate=accumulate,
                loader=loader,
                loader_threads=loader_threads,
                log_every=log_every,
                checkpoint_every=checkpoint_every,
                max_steps=max_steps,
            ),
            start=Transfer(weights, freezes_backbone=bool(features)) if weights else None,
            limit=limit,
            progress=Progress(),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(_text(outcome))


def _recipe(
    name: str, *, model: str | None, epochs: int | None, batch_size: int | None
) -> TrainingRecipe:
    recipe = recipes.get(name)
    if model is not None:
        recipe = dataclasses.replace(recipe, model=model)
    if epochs is not None:
        recipe = recipe.with_epochs(epochs)
    return recipe if batch_size is None else recipe.with_batch_size(batch_size)


def _augmented(
    recipe: TrainingRecipe,
    *,
    augment: PolicyName | Literal["none"] | None,
    color_jitter: tuple[float, float, float, float] | None,
    erase: float | None,
) -> TrainingRecipe:
    pixels = recipe.pixels
    if augment is not None:
        policy = None if augment == "none" else POLICIES[augment]
        pixels = dataclasses.replace(pixels, policy=policy)
    if color_jitter is not None:
        pixels = dataclasses.replace(pixels, color_jitter=_jitter(*color_jitter))
    if erase is not None:
        erasing = Erasing(probability=erase) if erase else None
        pixels = dataclasses.replace(pixels, erasing=erasing)
    return dataclasses.replace(recipe, pixels=pixels)


def _jitter(
    brightness: float, contrast: float, saturation: float, hue: float
) -> ColorJitter | None:
    made = ColorJitter(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
    return made if made != ColorJitter() else None


def _text(outcome: Outcome) -> str:
    if outcome.top1 is None or outcome.top5 is None:
        return f"trained for {outcome.seconds:.0f} s; nothing was validated"
    return (
        f"top-1 {outcome.top1.percent:.3f} %  top-5 {outcome.top5.percent:.3f} %  "
        f"of {outcome.top1.total:,} records, after {outcome.seconds:.0f} s"
    )
