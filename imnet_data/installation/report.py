"""What is installed, what each extra would add, and what does not fit together."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imnet_data.installation import build, gpu
from imnet_data.installation.requirements import Requirement, requirements
from imnet_data.verification.readers import READERS, Reader, formats_of

if TYPE_CHECKING:
    from imnet_data.installation.build import Build
    from imnet_data.installation.gpu import Stack

PURPOSES = {
    "torch": "TorchLoader, batches on a GPU, and the commands train and evaluate",
    "ffcv": "ffcv's own loader for beton",
    "parquet": "Parquet files of the Hub as a source of convert",
    "cloud": "datasets in object stores: convert to them, copy, and loading through a cache",
    "ray": "convert --ray and verify --ray, on a Ray cluster",
    "dali": "decoding on an NVIDIA GPU with a driver for CUDA 13",
    "dali-cuda12": "decoding on an NVIDIA GPU with a driver for CUDA 12, instead of dali",
}


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An extra of the package."""

    name: str
    adds: str
    requires: list[str]  # with the versions that are installed
    is_installed: bool
    install: str  # the command to type in a clone


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library that `verify --readers` reads datasets with."""

    name: str
    formats: list[str]
    version: str | None
    install: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is known of the installation."""

    build: Build
    requires: list[str]
    extras: list[Extra]
    readers: list[Library]
    gpu: Stack
    problems: list[str]


def report() -> Report:
    """Return what is installed; no library is imported."""
    found, needed, stack = build.build(), requirements(), gpu.stack()
    return Report(
        build=found,
        requires=[str(each) for each in needed if not each.extra],
        extras=[_extra(name, needed) for name in PURPOSES],
        readers=[_library(reader) for reader in READERS.values()],
        gpu=stack,
        problems=[*problems(found, needed), *gpu.misfits(stack)],
    )


def problems(found: Build, needed: list[Requirement]) -> list[str]:
    """Return what is missing or too old, and what to do about it."""
    wrong = [] if found.native_error is None else [found.native_error]
    if not needed:
        wrong.append("the package has no metadata: in a clone, run `pip install .`")
    wrong += [
        f"needed is {each}: in a clone, run `{_command(each.extra)}`"
        for each in needed
        if not each.is_met and (not each.extra or (each.extra in PURPOSES and each.version))
    ]
    return wrong


def to_json(found: Report) -> str:
    """Return the report as one JSON document."""
    return json.dumps(dataclasses.asdict(found), indent=2)


def text(found: Report) -> str:
    """Return the report as lines to be read."""
    sections = {
        "": build.text(found.build).splitlines(),
        "Required": found.requires,
        "Extras (the commands are for a clone)": [
            line for extra in found.extras for line in _extra_text(extra)
        ],
        "Libraries that `verify --readers` uses": [
            f"{each.name} ({', '.join(each.formats)}): {each.version or each.install}"
            for each in found.readers
        ],
        "GPU": gpu.text(found.gpu),
        "Problems": found.problems or ["None: what is installed fits together."],
    }
    return "\n\n".join(
        "\n".join([title, *(f"  {line}" for line in lines)] if title else lines)
        for title, lines in sections.items()
    )


def _extra(name: str, needed: list[Requirement]) -> Extra:
    own = [each for each in needed if each.extra == name]
    return Extra(
        name=name,
        adds=PURPOSES[name],
        requires=[str(each) for each in own],
        is_installed=bool(own) and all(each.is_met for each in own),
        install=_command(name),
    )


def _extra_text(extra: Extra) -> list[str]:
    if extra.is_installed:
        return [f"{extra.name}: {', '.join(extra.requires)}"]
    return [f"{extra.name}: would add {extra.adds}", f"  {extra.install}"]


def _library(reader: Reader) -> Library:
    version = (reader.version or "installed") if reader.is_installed else None
    return Library(
        name=reader.name, formats=formats_of(reader), version=version, install=reader.install
    )


def _command(extra: str) -> str:
    return f"pip install '.[{extra}]'" if extra else "pip install ."
