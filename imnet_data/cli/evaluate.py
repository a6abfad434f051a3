"""`imnet-data evaluate`."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from imnet_data.cli import output
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import (
    as_json,
    batch_size,
    cache,
    cache_size,
    label_space,
    opened,
    place,
    source_path,
)
from imnet_data.cli.values import classes as wnids
from imnet_data.dataset import description
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import (
    Grouping,
    Protocol,
    detection_text,
    evaluate,
    guesses,
    load_model,
    localization,
    mapping,
    overlays,
    page,
    text,
    together,
)
from imnet_data.evaluation.detection import evaluate_detections
from imnet_data.imagenet import variants
from imnet_data.machine import files
from imnet_data.sources.hierarchy import read as read_hierarchy
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.dataset.remote import RemoteFiles
    from imnet_data.evaluation import Model

_BUILT_IN = "built-in"


@click.command(
    "evaluate",
    epilog=examples(
        "imnet-data evaluate imagenet --model timm:resnet50.a1_in1k",
        "imnet-data evaluate imagenet v2 --model torchvision:resnet50 --crop ten",
        "imnet-data evaluate det --detections predictions.txt",
    ),
)
@click.argument("dataset", nargs=-1, required=True, type=place)
@click.option(
    "--model",
    "name",
    metavar="NAME",
    help="Model to evaluate: resnet18, resnet50, torchvision:NAME or timm:NAME; any name for "
    "TorchScript.",
)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of the weights, or a TorchScript model.  [default: the weights that torchvision or "
    "timm download]",
)
@click.option(
    "--classes",
    type=wnids,
    metavar="LIST",
    help="Classes of the model's outputs: wnids joined with commas, or a file with one per line.",
)
@click.option(
    "--outputs",
    type=label_space,
    metavar="NAME|FILE",
    help="Label space of the model's outputs: sorted, ilsvrc, tf, 22k, 21k-goog, 12k, 21k-p, "
    "21k-p-w21, or a file of wnids.  [default: sorted; tf if there are 1001]",
)
@click.option(
    "--detections",
    type=source_path,
    metavar="FILE",
    help="Score these detections on a split of DET or VID: lines of a submission, or COCO's "
    "results.",
)
@click.option(
    "--generated",
    type=click.Choice(["score", "skip"]),
    default="score",
    show_default=True,
    help="Score frames of VID with boxes that a tracker drew, or skip them.",
)
@click.option(
    "--localization",
    "guess_files",
    multiple=True,
    type=source_path,
    metavar="FILE",
    help="Score these guesses of classes and boxes: Kaggle's CSV, or lines of the devkit; several "
    "files, of several thresholds, make MaxBoxAcc.",
)
@click.option(
    "--blacklist",
    type=source_path,
    metavar="DEVKIT",
    help="Leave out the val images that a devkit, or its file, lists: the official error.",
)
@click.option(
    "--submission",
    type=output.path,
    metavar="FILE",
    help="Write the guesses as Kaggle's submission to this file.",
)
@click.option(
    "--solution",
    type=output.path,
    metavar="FILE",
    help="Write the boxes of the split, as Kaggle's LOC_val_solution.csv has them, to this file.",
)
@click.option(
    "--split",
    metavar="NAME",
    help="Split to score.  [default: val, or the only split]",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Side of the crop; several sizes are averaged.  [default: published with the weights, "
    "else 224]",
)
@click.option(
    "--crop-pct",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Side of the crop, as a share of the resized image's shorter side.",
)
@click.option(
    "--filter",
    type=click.Choice(["bilinear", "bicubic"]),
    help="Filter of the resize.  [default: published with the weights, else bilinear]",
)
@click.option(
    "--crop",
    "crops",
    type=click.Choice(["single", "ten"]),
    default="single",
    show_default=True,
    help="Score the centre crop, or the average of ten crops.",
)
@click.option(
    "--average",
    type=click.Choice(["logits", "probabilities"]),
    default="logits",
    show_default=True,
    help="What is averaged over crops and sizes.",
)
@batch_size
@click.option(
    "--device",
    metavar="NAME",
    default="cpu",
    show_default=True,
    help="Device of the model: cpu, cuda, cuda:1, ...",
)
@click.option(
    "--real",
    metavar="built-in|FILE",
    help="Score by ReaL labels, too: the built-in ones, or those of a real.json.",
)
@click.option(
    "--hierarchy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Score groups of classes, too: those below synsets of this hierarchy, which is a devkit, "
    "its meta.mat, or lines PARENT CHILD.",
)
@click.option(
    "--groups",
    type=wnids,
    metavar="LIST",
    help="Synsets of the groups: wnids joined with commas, or a file with one per line.  "
    "[default: those by which the hierarchy divides the classes first]",
)
@click.option(
    "--overlay",
    "overlay_paths",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Score by other annotations of ILSVRC2012's val, too: human_accuracy_v3.0.0.json, "
    "imagenet_x_val_multi_factor.jsonl, or the folder of ImageNet-S's masks.",
)
@click.option(
    "--csv",
    "csv_file",
    type=output.path,
    help="Write the columns of timm's results to this file (one DATASET only).",
)
@as_json
@click.option(
    "--html",
    type=output.path,
    help="Write a page with the most confident mistakes to this file (one DATASET only).",
)
@output.overwrite
@cache
@cache_size
def command(
    dataset: tuple[Path | str, ...],
    name: str | None,
    detections: Path | None,
    generated: Literal["score", "skip"],
    guess_files: tuple[Path, ...],
    blacklist: Path | None,
    submission: Path | None,
    solution: Path | None,
    checkpoint: Path | None,
    classes: tuple[str, ...] | None,
    outputs: str | None,
    split: str | None,
    sizes: tuple[int, ...],
    crop_pct: float | None,
    filter: Literal["bilinear", "bicubic"] | None,
    crops: Literal["single", "ten"],
    average: Literal["logits", "probabilities"],
    batch_size: int,
    device: str,
    real: str | None,
    hierarchy: Path | None,
    groups: tuple[str, ...] | None,
    overlay_paths: tuple[Path, ...],
    csv_file: Path | None,
    as_json: bool,
    html: Path | None,
    overwrite: bool,
    cache: Path | None,
    cache_size: int | None,
) -> None:
    """Evaluate a model on each DATASET, scoring each record exactly once.

    A dataset of another set, such as ImageNet-V2, -A, -R, -C or ObjectNet, is recognised and scored
    as its authors do, among its own classes only. ImageNet-O is scored against ILSVRC2012's val,
    and so is the relative mCE of ImageNet-C: pass both datasets.
    Instead of a model, a file of detections or guesses is scored.

    DATASET may be the URL of one in an object store: add --cache.
    """
    asked = [bool(name), bool(detections), bool(guess_files)]
    if sum(asked) != 1 or (len(dataset) > 1 and not name):
        raise click.UsageError(
            "one of --model, --detections and --localization is needed, the last two with one "
            "DATASET"
        )
    roots = [opened(one, cache, cache_size) for one in dataset]
    if detections:
        with Progress() as progress:
            result = evaluate_detections(
                roots[0], detections, split=split, generated=generated, progress=progress
            )
        click.echo(detection_text.document(result) if as_json else detection_text.text(result))
        return
    if guess_files:
        output.require_all_new((submission, solution), overwrite=overwrite)
        found = localization.read_split(roots[0], split)
        files_of_guesses = {str(file): guesses.read(file, found.keys) for file in guess_files}
        located = localization.evaluate_localization(
            found,
            files_of_guesses,
            blacklist=guesses.read_blacklist(blacklist) if blacklist else None,
        )
        if submission:
            first = next(iter(files_of_guesses.values()))
            output.write(submission, guesses.submission(first), overwrite=overwrite)
        if solution:
            output.write(solution, guesses.solution(found.truth), overwrite=overwrite)
        told = json.dumps(localization.document(located), indent=1)
        click.echo(told if as_json else localization.text(located))
        return
    assert name
    if len(dataset) > 1 and (csv_file or html):
        raise click.UsageError("--csv and --html work with one DATASET only")
    output.require_all_new((csv_file, html), overwrite=overwrite)
    if classes and outputs:
        raise click.UsageError("--classes and --outputs exclude each other")
    if groups and hierarchy is None:
        raise click.UsageError("--groups goes with --hierarchy")
    grouping = Grouping(read_hierarchy(hierarchy), groups) if hierarchy else None
    try:
        model = load_model(name, checkpoint=checkpoint, device=device)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if classes or outputs:
        model = model._replace(classes=classes or mapping.outputs_of(outputs or "sorted"))
    protocol = Protocol(
        recipes=_recipes(model, sizes, crop_pct, filter),
        crops=crops,
        average=average,
        among=_among(roots),
    )
    accepted = None if real is None else _real_labels(real)
    annotations = [overlays.read(path) for path in overlay_paths]
    for root in roots if annotations else ():
        overlays.require_val(root, split)
    with Progress() as progress:
        results = [
            evaluate(
                model,
                root,
                protocol=protocol,
                split=split,
                batch_size=batch_size,
                real=accepted,
                grouping=grouping,
                progress=progress,
            )
            for root in roots
        ]
    results = together.together(results)
    if annotations:
        results = [
            one._replace(
                measures=(*one.measures, *overlays.measured(one.results, root, annotations))
            )
            for one, root in zip(results, roots, strict=True)
        ]
    if csv_file:
        output.write(csv_file, text.to_csv(results[0]), overwrite=overwrite)
    if html:
        output.write(html, page.page(results[0], roots[0]), overwrite=overwrite)
    click.echo(text.to_json(results) if as_json else "\n\n".join(map(text.text, results)))


def _among(datasets: Sequence[Path | RemoteFiles]) -> str | None:
    """Return the set among whose classes ILSVRC2012's val is scored, too, if one is wanted.

    Raises:
        EvaluationError: if it is not scored at all.
    """
    names = [description.read(Path(root)).name for root in datasets]
    if variants.IMAGENET_O not in names:
        return None
    if variants.ILSVRC2012 not in names:
        raise EvaluationError(together.NEEDS_VAL)
    return variants.IMAGENET_O


def _recipes(
    model: Model,
    sizes: Sequence[int],
    crop_pct: float | None,
    filter: Literal["bilinear", "bicubic"] | None,
) -> tuple[EvalRecipe, ...]:
    """Return the model's own recipe, or 224 of 256, with the values that options replace."""
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
        table: Sequence[Sequence[int]] = json.loads(files.read_small(Path(real)))
    except OSError as error:
        raise click.FileError(real, error.strerror) from error
    except ValueError as error:
        raise EvaluationError(f"{real}: is not real.json ({error})") from error
    return table
