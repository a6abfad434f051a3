"""`imnet-data evaluate`."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from imnet_data.cli import output
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import classes as wnids
from imnet_data.cli.values import source_path
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import Protocol, evaluate, load_model, mapping, page, text
from imnet_data.imagenet import variants
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.evaluation import Model
    from imnet_data.imagenet.labels import Convention

_BUILT_IN = "built-in"


@click.command("evaluate")
@click.argument("dataset", nargs=-1, required=True, type=source_path)
@click.option(
    "--model",
    "name",
    required=True,
    help="resnet18, resnet50, torchvision:NAME or timm:NAME; any name for TorchScript.",
)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights, or TorchScript.  [default: what torchvision or timm download]",
)
@click.option("--classes", type=wnids, help="wnids of the model's outputs, or a file of them.")
@click.option(
    "--outputs",
    type=click.Choice(["sorted", "ilsvrc", "tf"]),
    help="Order of the model's 1000 outputs.  [default: sorted; of 1001, tf]",
)
@click.option("--split", help="[default: val, or the only one]")
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(1), help="Of the crop; several: averaged."
)
@click.option("--crop-pct", type=click.FloatRange(0, 1, min_open=True), help="Crop over resize.")
@click.option("--filter", type=click.Choice(["bilinear", "bicubic"]))
@click.option(
    "--crop", "crops", type=click.Choice(["single", "ten"]), default="single", show_default=True
)
@click.option(
    "--average",
    type=click.Choice(["logits", "probabilities"]),
    default="logits",
    show_default=True,
    help="What is averaged over crops and sizes.",
)
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 ...")
@click.option("--real", metavar="built-in|FILE", help="Score ReaL labels too; FILE is real.json.")
@click.option("--csv", "csv_file", type=output.path, help="Write timm's columns (of one dataset).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--html", type=output.path, help="Write a page with the surest mistakes (of one dataset)."
)
@output.overwrite
def command(
    dataset: tuple[Path, ...],
    name: str,
    checkpoint: Path | None,
    classes: tuple[str, ...] | None,
    outputs: Convention | None,
    split: str | None,
    sizes: tuple[int, ...],
    crop_pct: float | None,
    filter: Literal["bilinear", "bicubic"] | None,
    crops: Literal["single", "ten"],
    average: Literal["logits", "probabilities"],
    batch_size: int,
    device: str,
    real: str | None,
    csv_file: Path | None,
    as_json: bool,
    html: Path | None,
    overwrite: bool,
) -> None:
    """Evaluate a model on DATASET..., each record exactly once.

    A dataset of ImageNet-V2, -A, -R, -Sketch or ObjectNet knows what it is, and is scored as its
    authors do: among its own classes alone.
    """
    if len(dataset) > 1 and (csv_file or html):
        raise click.UsageError("--csv and --html are of one DATASET")
    output.require_all_new((csv_file, html), overwrite=overwrite)
    if classes and outputs:
        raise click.UsageError("--classes and --outputs say the same; give one of them")
    try:
        model = load_model(name, checkpoint=checkpoint, device=device)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if classes or outputs:
        model = model._replace(classes=classes or mapping.outputs_of(outputs or "sorted"))
    protocol = Protocol(
        recipes=_recipes(model, sizes, crop_pct, filter), crops=crops, average=average
    )
    accepted = None if real is None else _real_labels(real)
    with Progress() as progress:
        told = [
            evaluate(
                model,
                root,
                protocol=protocol,
                split=split,
                batch_size=batch_size,
                real=accepted,
                progress=progress,
            )
            for root in dataset
        ]
    if csv_file:
        output.write(csv_file, text.to_csv(told[0]), overwrite=overwrite)
    if html:
        output.write(html, page.page(told[0], dataset[0]), overwrite=overwrite)
    click.echo(text.to_json(told) if as_json else "\n\n".join(map(text.text, told)))


def _recipes(
    model: Model,
    sizes: Sequence[int],
    crop_pct: float | None,
    filter: Literal["bilinear", "bicubic"] | None,
) -> tuple[EvalRecipe, ...]:
    """Return the model's own recipe, or 224 of 256, with what was asked for in its place."""
    recipe = model.recipe or EvalRecipe()
    recipe = dataclasses.replace(recipe, filter=filter or recipe.filter)
    if not sizes and crop_pct is None:
        return (recipe,)
    share = crop_pct or recipe.crop / recipe.resize
    return tuple(
        dataclasses.replace(recipe, crop=size, resize=math.floor(size / share))
        for size in sizes or (recipe.crop,)
    )


def _real_labels(real: str) -> Sequence[Sequence[int]]:
    if real == _BUILT_IN:
        return variants.real_labels()
    try:
        table: Sequence[Sequence[int]] = json.loads(Path(real).read_bytes())
    except OSError as error:
        raise click.FileError(real, error.strerror) from error
    except ValueError as error:
        raise EvaluationError(f"{real}: is not real.json ({error})") from error
    return table
