"""The plan that all parts of a conversion share: what the dataset will be, and from what.

Whichever part comes first puts it in place, together with the folders that the others write to;
each of the others makes its own, and must have come to the same. It holds all that the dataset says
of itself beside its records, so that shards that are done are joined without the source.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from imnet_data.conversion import software
from imnet_data.conversion.agreement import difference
from imnet_data.conversion.written import SplitOutline
from imnet_data.dataset import description
from imnet_data.errors import ConvertError

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.conversion.plan import Conversion
    from imnet_data.dataset.description import Options

FILE_NAME = "plan.json"


class SharedPlan(NamedTuple):
    """What all parts agree on."""

    software: dict[str, str]  # what decides about bytes: version
    dataset_version: int
    name: str  # of the variant
    format: str
    options: Options  # resolved
    classes: tuple[str, ...]
    splits: dict[str, SplitOutline]
    source_files: tuple[tuple[str, int], ...]  # name and nbytes, as dataset.json has them
    left_out: dict[str, int]
    sources: tuple[str, ...]  # what identifies the files that are read

    def to_bytes(self) -> bytes:
        """Return the bytes of the file."""
        fields = self._asdict() | {
            "options": self.options.to_json(),
            "splits": {name: outline._asdict() for name, outline in self.splits.items()},
        }
        return (json.dumps(fields, indent=1) + "\n").encode()


def of(conversion: Conversion) -> SharedPlan:
    """Return the plan of a conversion."""
    source = conversion.source
    return SharedPlan(
        software=software.versions(),
        dataset_version=description.VERSION,
        name=source.name,
        format=conversion.format_name,
        options=conversion.options,
        classes=conversion.classes,
        splits={split: planned.outline for split, planned in conversion.plans.items()},
        source_files=tuple((file.name, file.nbytes) for file in source.files),
        left_out={name: reason.count for name, reason in source.left_out.items()},
        sources=tuple(sorted(source.identities())),
    )


def read(path: Path) -> SharedPlan:
    """Return the plan that parts have put in place.

    Raises:
        ConvertError: if it is damaged.
        FileNotFoundError: if there is none.
    """
    return parsed(path.read_bytes(), str(path), path.parent.parent)


def parsed(content: bytes, where: str, stage: object) -> SharedPlan:
    """Return the plan that a file has.

    Args:
        content: of the file.
        where: it is.
        stage: what is removed to start again.

    Raises:
        ConvertError: if it is damaged.
    """
    try:
        fields: dict[str, Any] = json.loads(content)
        return SharedPlan(
            **fields
            | {
                "options": description.options_of(fields["options"]),
                "classes": tuple(fields["classes"]),
                "splits": {name: SplitOutline(**said) for name, said in fields["splits"].items()},
                "source_files": tuple((name, nbytes) for name, nbytes in fields["source_files"]),
                "sources": tuple(fields["sources"]),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConvertError(
            f"{where}: is damaged ({error}); remove {stage} to start again"
        ) from error


def require_same(path: Path, ours: SharedPlan, identities: dict[str, str]) -> None:
    """Refuse a part that would do something else than the plan in place at `path`.

    Raises:
        ConvertError: naming what differs.
    """
    stage = path.parent.parent
    require_equal(read(path), ours, identities, out=stage.parent, discard=stage)


def require_equal(
    theirs: SharedPlan,
    ours: SharedPlan,
    identities: dict[str, str],
    *,
    out: object,
    discard: object,
) -> None:
    """Refuse a part that would do something else than the others.

    Args:
        theirs: the plan in place.
        ours: what this part would do.
        identities: of the files that this part reads, and the path of each.
        out: where the dataset is to be.
        discard: what is to be removed to start again.

    Raises:
        ConvertError: naming what differs.
    """
    if ours == theirs:
        return
    remedy = f"start every part with the same, or remove {discard} to discard what is there"
    changed = sorted(
        path for identity, path in identities.items() if identity not in theirs.sources
    )
    if changed and ours.format == theirs.format and ours.options == theirs.options:
        raise ConvertError(
            f"{', '.join(changed)}: is not what the other parts in {out} read (its size, "
            f"its time or its content differs), or was changed since; {remedy}"
        )
    texts = [
        difference(name, getattr(theirs, name), getattr(ours, name))
        if name != "options"
        else difference(name, theirs.options.to_json(), ours.options.to_json())
        for name in SharedPlan._fields
        if getattr(theirs, name) != getattr(ours, name)
    ]
    raise ConvertError(f"{out}: the other parts have another {'; '.join(texts)}; {remedy}")


def require_software(out: object, plan: SharedPlan) -> None:
    """Refuse to go on with other versions of what decides about bytes.

    Raises:
        ConvertError: naming what differs.
    """
    ours = software.versions()
    if ours != plan.software:
        raise ConvertError(
            f"{out}: its parts were written with another "
            f"{difference('software', plan.software, ours)}; join them with the same versions"
        )
