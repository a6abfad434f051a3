"""`imnet-data bench`: what limits an input pipeline on this machine, and what would suffice."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import click

from imnet_data import formats
from imnet_data.bench.options import BenchOptions, default_threads
from imnet_data.cli import output
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import batch_size, source_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imnet_data.bench.compare import Comparison
    from imnet_data.bench.report import Report
    from imnet_data.machine.progress import Step

_OUT = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
_WORSE = 3  # exit status; 1 is an error, 2 wrong usage
_REPORT = click.Path(exists=True, dir_okay=False, path_type=Path)


def _threads(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...]:
    if value is None:
        return default_threads()
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 1,2,4") from error


@click.command(
    "bench",
    epilog=examples(
        "imnet-data bench imagenet",
        "imnet-data bench imagenet --format lmdb --target 5000 --html bench.html",
        "imnet-data bench --compare before.json after.json",
    ),
)
@click.argument("dataset", nargs=-1, type=source_path)
@click.option(
    "--format",
    "format_names",
    type=click.Choice(list(formats.FORMATS)),
    multiple=True,
    help="Convert DATASET to this format as well, and measure both (may be given several times).",
)
@click.option(
    "--work",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write datasets of --format below this folder.  [default: beside DATASET, else TMPDIR]",
)
@click.option(
    "--loader",
    type=click.Choice(["cpu", "dali", "torch"]),
    default="cpu",
    show_default=True,
    help="Loader to measure.",
)
@click.option(
    "--threads",
    callback=_threads,
    metavar="N,N",
    help="Numbers of threads to run the loader with.  [default: 1, 2, 4, ... cores]",
)
@batch_size
@click.option(
    "--size",
    type=click.IntRange(1),
    metavar="PIXELS",
    default=224,
    show_default=True,
    help="Side of the images in a batch.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    default=0.5,
    show_default=True,
    help="Duration of each repeat of each stage.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    metavar="N",
    help="Number of times to measure each stage.  [default: 5; 10 with --against]",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Measure the training step of this model, too: resnet50, torchvision:NAME or timm:NAME.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="Precision of the model's training step.",
)
@click.option(
    "--target",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Images per second that you need; the report shows what would reach it.",
)
@click.option(
    "--gpus",
    type=click.IntRange(1),
    metavar="N",
    help="GPUs that train at once, for the speed that --model needs.  [default: all visible]",
)
@click.option(
    "--ranks",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    show_default=True,
    help="Measure also N loaders side by side, each in a process with its share of the threads.",
)
@click.option(
    "--json", "json_out", type=_OUT, help="Write all figures to this file; - prints them."
)
@click.option("--html", type=_OUT, help="Write a page with charts to this file; - prints it.")
@output.overwrite
@click.option(
    "--compare",
    type=(_REPORT, _REPORT),
    metavar="A.json B.json",
    help="Do not measure; print the changes between two reports that exceed the noise.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, path_type=Path),
    metavar="ENVIRONMENT|DATASET",
    help="Measure both in turn, and print the changes: the same DATASET with the package of a "
    "virtual environment (its folder, or its python), or another dataset of the same records.",
)
def command(
    *,
    dataset: tuple[Path, ...],
    format_names: tuple[str, ...],
    work: Path | None,
    loader: Literal["cpu", "dali", "torch"],
    threads: tuple[int, ...],
    batch_size: int,
    size: int,
    seconds: float,
    repeats: int | None,
    model: str | None,
    precision: Literal["fp32", "bf16", "fp16"],
    target: float | None,
    gpus: int | None,
    ranks: int,
    json_out: Path | None,
    html: Path | None,
    overwrite: bool,
    compare: tuple[Path, Path] | None,
    against: Path | None,
) -> None:
    """Measure each stage of the input pipeline of each DATASET, alone and together.

    The stages are storage, hash, cut, decode, resize and batches; with a GPU also the copy to it,
    and with --model also the training step. The report shows how fast each stage is, which one
    limits the pipeline, and how many cores would suffice. --compare and --against end with exit
    status 3 where something became slower, and --json then writes the changes.
    """
    if (compare or against) and html:
        raise click.UsageError("--compare and --against make no page; leave out --html")
    if compare:
        if dataset:
            raise click.UsageError("--compare takes two reports; leave out DATASET")
        from imnet_data.bench.compare import compare as compared
        from imnet_data.bench.document import read

        output.require_all_new((json_out,), overwrite=overwrite)
        _report_changes(compared(*map(read, compare)), json_out, overwrite=overwrite)
    if not dataset:
        raise click.UsageError("name a DATASET, or --compare two reports")
    if format_names and len(dataset) > 1:
        raise click.UsageError("--format works with one DATASET only")
    if against and (format_names or len(dataset) > 1):
        raise click.UsageError("--against works with one DATASET only, without --format")
    output.require_all_new((json_out, html), overwrite=overwrite)
    try:
        options = BenchOptions(
            loader=loader,
            threads=threads,
            batch_size=batch_size,
            size=size,
            seconds=seconds,
            repeats=repeats or (10 if against else 5),
            model=model,
            precision=precision,
            target=target,
            gpus=gpus,
            ranks=ranks,
        )
        if against:
            changes = _measured_against(dataset[0], against, options)
            _report_changes(changes, json_out, overwrite=overwrite)
        measured = _measured(dataset, format_names, options, work=work)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _report(measured, json_out, html, overwrite=overwrite)


@contextlib.contextmanager
def _ended_by_signals(progress: Callable[[Step], None]) -> Iterator[Callable[[Step], None]]:
    """Let SIGTERM and SIGINT end the command as exceptions do, so that what it has made is removed.

    An exception that a signal raises inside of a finalizer is lost. So the progress that is yielded
    raises it again.
    """
    received: list[int] = []

    def end(number: int, _: object = None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)  # as shells have it

    def proceed(step: Step) -> None:
        if received:
            end(received[0])
        progress(step)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield proceed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _measured(
    roots: tuple[Path, ...],
    format_names: tuple[str, ...],
    options: BenchOptions,
    *,
    work: Path | None,
) -> Report:
    from imnet_data.bench.converted import converted
    from imnet_data.bench.rounds import measure

    with (
        Progress() as shown,
        _ended_by_signals(shown) as progress,
        contextlib.ExitStack() as made,
    ):
        if format_names:
            others = made.enter_context(
                converted(roots[0], format_names, work=work, progress=progress)
            )
            roots = (*roots, *others)
        return measure(roots, options, command=shlex.join(sys.argv), progress=progress)


def _report(measured: Report, json_out: Path | None, html: Path | None, *, overwrite: bool) -> None:
    from imnet_data.bench import page, text
    from imnet_data.bench.document import to_json

    if Path("-") not in (json_out, html):
        click.echo(text.text(measured))
        sys.stdout.flush()  # before anything can go wrong with the files
    if html:
        _write(html, page.page(measured), overwrite=overwrite)
    if json_out:
        _write(json_out, to_json(measured), overwrite=overwrite)


def _measured_against(root: Path, other: Path, options: BenchOptions) -> Comparison:
    from imnet_data.bench.against import measure_datasets, measure_environments, python_of

    python = python_of(other)
    with Progress() as shown, _ended_by_signals(shown) as progress:
        if python is None:
            return measure_datasets(root, other, options, progress=progress)
        return measure_environments(root, python, options, progress=progress)


def _report_changes(changes: Comparison, json_out: Path | None, *, overwrite: bool) -> NoReturn:
    from imnet_data.bench import compare as comparing

    if json_out != Path("-"):
        click.echo(comparing.text(changes))
    if json_out:
        _write(json_out, comparing.to_json(changes), overwrite=overwrite)
    sys.stdout.flush()
    sys.exit(_WORSE if changes.is_worse else 0)


def _write(path: Path, content: str, *, overwrite: bool) -> None:
    if path == Path("-"):
        click.echo(content)
    else:
        output.write(path, content, overwrite=overwrite)
