"""Converts a dataset on a Ray cluster: each shard is a task, written as by a part of several.

The machine of the command plans, hands out what is missing, and joins it. A shard that two attempts
write, as one of them was believed lost, is the same from both.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from imnet_data import arguments, formats
from imnet_data.conversion import join, parts, shared_plan
from imnet_data.conversion.agreement import difference
from imnet_data.conversion.parts import Share
from imnet_data.conversion.sharing import Place
from imnet_data.conversion.which_part import Part
from imnet_data.dataset import opened
from imnet_data.dataset.description import NOTHING_ASKED, Description, Options
from imnet_data.dataset.remote import is_remote_dataset
from imnet_data.errors import ClusterError, ConvertError
from imnet_data.machine import pool, ray_cluster
from imnet_data.machine.progress import no_progress
from imnet_data.storage import address as urls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.written import ShardJob
    from imnet_data.machine.progress import Progress


def convert_on_ray(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    address: str = ray_cluster.AUTO,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    progress: Progress = no_progress,
) -> Description:
    """Convert sources to a dataset at `out` on a Ray cluster; go on if an earlier run was stopped.

    Args:
        paths: as for `convert`; all machines of the cluster have them at the same paths.
        out: the folder to be made, which all machines share.
        address: host and port of the head; "auto" is RAY_ADDRESS, or the cluster that runs on this
            machine. If the caller is connected already, that connection is used.
        format: as for `convert`, and so are the others.
        split: the only split to be taken.
        options: what decides the bytes.
        progress: called several times a second; a shard counts when it is done.

    Returns:
        What dataset.json says.

    Raises:
        ImnetError: if anything is wrong; the shards that are done are kept.
    """
    formats.get(format)
    roots = [
        root if isinstance(root, str) else root.absolute()
        for root in arguments.places("paths", paths)
    ]
    place = Place(arguments.path("out", out).absolute())
    for url in (root for root in roots if isinstance(root, str) and is_remote_dataset(root)):
        raise ConvertError(
            f"{urls.shown(url)}: is a dataset in a store, whose index comes to one "
            "machine alone; copy it with `imnet-data copy` to the disk that all machines share"
        )
    with ray_cluster.Cluster(address) as cluster:
        share = Share(
            name="ray",
            part=Part(1, 1),
            said=cluster.text(),
            run=cluster.run,
            write=_write_shard,
            workers=pool.worker_count(None),
            again="run the command again",
        )
        about = parts.convert_share(
            roots, place, share, format_name=format, split=split, options=options, progress=progress
        )
    return about or join.join(place.out)  # which names the shards that are gone


def _write_shard(place: Place, writing: Writing, job: ShardJob) -> Mapping[str, int]:
    """Write one shard on a machine of the cluster."""
    here = socket.gethostname()
    if not opened.is_dataset(place.out):  # else another run has joined the shards
        ray_cluster.require_here(place.plan)
    plan = shared_plan.read(place.plan)
    ours = shared_plan.software(plan.format)
    if ours != plan.software:
        raise ClusterError(
            f"{here}: has another {difference('software', plan.software, ours)}; install the same "
            "versions on all machines of the cluster"
        )
    return parts.write_shard(place, writing, job)
