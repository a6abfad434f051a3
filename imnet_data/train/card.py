"""The card of a run: all that a reader needs to repeat it, as JSON and as a page to read.

Small changes move top-1 by more than the difference that a paper reports, so nothing is left out:
what the source recipe says, what was asked for instead, the data's digests, versions and hardware.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import torch

from imnet_data.augment.recipes import Policy
from imnet_data.imagenet.labels import fingerprint
from imnet_data.machine import limits, provenance
from imnet_data.machine.files import write_whole
from imnet_data.train.recipes import RECIPES
from imnet_data.transforms import EvalRecipe, TrainRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imnet_data.dataset.opened import Dataset
    from imnet_data.train.recipes import TrainingRecipe

JSON_NAME, MARKDOWN_NAME = "card.json", "card.md"


def data_of(dataset: Dataset) -> dict[str, Any]:
    """Describe a dataset so that a copy of it can be distinguished from another dataset."""
    about = dataset.about
    return {
        "name": about.name,
        "format": about.format,
        "options": about.options.to_json(),
        "classes": len(about.classes),
        "classes_sha256": fingerprint(about.classes),
        "splits": {
            name: {
                "records": split.record_count,
                "digest": split.digest,
                "fixes": split.fixes,
                "skipped": split.skipped,
            }
            for name, split in about.splits.items()
        },
    }


def changes(recipe: TrainingRecipe) -> dict[str, Any]:
    """Return the values that a recipe does not have from the published one of its name."""
    published = RECIPES.get(recipe.name)
    if published is None:
        return {}
    there, here = _flat("", published), _flat("", recipe)
    return {
        name: {"published": there.get(name), "here": value}
        for name, value in here.items()
        if name not in there or there[name] != value
    }


def _flat(prefix: str, recipe: TrainingRecipe | TrainRecipe | EvalRecipe) -> dict[str, Any]:
    """Return the values of a recipe by name, those of what is done to pixels as `pixels.NAME`."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(recipe):
        value = getattr(recipe, item.name)
        if isinstance(value, TrainRecipe | EvalRecipe):
            flat |= _flat(f"{item.name}.", value)
        else:
            flat[f"{prefix}{item.name}"] = value
    return flat


def plain(value: object) -> Any:
    """Return a recipe, or what is in one, as JSON has it; policies say which they are."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value
    fields = {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    return {"policy": type(value).__name__, **fields} if isinstance(value, Policy) else fields


def versions() -> dict[str, str | None]:
    """Return the versions of what is installed, None for what is not."""
    return {**provenance.versions(), "cuda": torch.version.cuda}


def hardware(world_size: int, device: torch.device) -> dict[str, Any]:
    """Describe the machine of this process."""
    return {
        "ranks": world_size,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "cpu": provenance.processor(),
        "cores": limits.cores(),
        "torch_threads": torch.get_num_threads(),
    }


def is_card(path: Path) -> bool:
    """Return whether there is the card of a run at `path`."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"result", "recipe", "versions"} <= content.keys()


def write(directory: Path, content: Mapping[str, Any]) -> None:
    """Write both forms of the card."""
    plain = json.loads(json.dumps(content, default=_plain))
    write_whole(directory / JSON_NAME, (json.dumps(plain, indent=1) + "\n").encode())
    write_whole(directory / MARKDOWN_NAME, _markdown(plain).encode())


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    return str(value)


def _markdown(content: Mapping[str, Any]) -> str:
    lines = ["# Training run", ""]
    for title, section in content.items():
        lines += [f"## {title.replace('_', ' ')}", ""]
        rows = list(_rows("", section))
        if len(rows) == 1 and not rows[0][0]:
            lines += [rows[0][1], ""]
            continue
        lines += ["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows), ""]
    return "\n".join(lines)


def _rows(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _rows(f"{prefix}.{name}" if prefix else name, item)
    else:
        yield prefix, "-" if value in (None, {}, []) else str(value).replace("|", "\\|")
