"""Converts a dataset on a Ray cluster: each shard is a task, written as by a part of several.

The machine of the command plans, hands out what is missing, and joins it. A shard that two attempts
write, as one of them was believed lost, is the same from both.
"""

from __future__ import annotations

import logging
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from imnet_data import arguments, formats
from imnet_data.conversion import join, parts, run_folder, shared_plan, software, to_store
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
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.bucket import Bucket
    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.shared_plan import SharedPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.machine.pool import Counter, Run
    from imnet_data.machine.progress import Progress

_log = logging.getLogger("imnet_data")


def convert_on_ray(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    address: str = ray_cluster.AUTO,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    stage: StrPath | None = None,
    progress: Progress = no_progress,
) -> Description:
    """Convert sources to a dataset at `out` on a Ray cluster; go on if an earlier run was stopped.

    Args:
        paths: as for `convert`; all machines of the cluster have them at the same paths.
        out: the folder to be made, which all machines share, or a URL of s3://, gs:// or az://.
        address: host and port of the head; "auto" is RAY_ADDRESS, or the cluster that runs on this
            machine. If the caller is connected already, that connection is used.
        format: as for `convert`, and so are the others.
        split: the only split to be taken.
        options: what decides the bytes.
        stage: for a URL, as for `convert`; on each machine of the cluster.
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
    for url in (root for root in roots if isinstance(root, str) and is_remote_dataset(root)):
        raise ConvertError(
            f"{urls.shown(url)}: is a dataset in a store, whose index comes to one "
            "machine alone; copy it with `imnet-data copy` to the disk that all machines share"
        )
    if urls.is_url(out):
        asked = to_store.asked_here(format, split, options, stage, pool.worker_count(None))
        with ray_cluster.Cluster(address) as cluster:
            cluster.prepare(_write_to_store)
            _log.info("%s", cluster.text())
            asked = asked._replace(
                run=_listing_refused(cluster.run), write=partial(_write_to_store, asked.stage)
            )
            return to_store.convert_to_store(roots, os.fspath(out), asked, progress)
    to_store.refuse_stage(stage)
    place = Place(arguments.path("out", out).absolute())
    with ray_cluster.Cluster(address) as cluster:
        cluster.prepare(_write_shard)
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
    if not opened.is_dataset(place.out):  # else another run has joined the shards
        ray_cluster.require_here(place.plan)
    _require_same_software(shared_plan.read(place.plan))
    return parts.write_shard(place, writing, job)


def _require_same_software(plan: SharedPlan) -> None:
    ours = software.versions()
    if ours != plan.software:
        raise ClusterError(
            f"{socket.gethostname()}: has another {difference('software', plan.software, ours)}; "
            "install the same versions on all machines of the cluster"
        )


class _Written(NamedTuple):
    """What a machine of the cluster did for a shard; it shares no stage with the others."""

    counts: Mapping[str, int]  # of refused images
    path: Path  # where this machine lists them
    listed: str


def _write_to_store(stage: Path | None, place: Bucket, writing: Writing, job: ShardJob) -> _Written:
    """Write one shard on a machine of the cluster, and bring it to the store."""
    _require_same_software(shared_plan.parsed(place.plan, place.out, place.out))
    with run_folder.made(stage) as folder:
        alone = writing._replace(stage=folder, journals=folder / writing.journals.name)
        alone.journals.mkdir()
        counts = to_store.write_shard(place, alone, job)
        listed = alone.refused(job).read_text() if counts else ""
    return _Written(counts, writing.refused(job), listed)


def _listing_refused(run: Run) -> Run:
    """Return what runs tasks whose results are `_Written`, and lists here what they refused."""

    def listing(
        task: Callable[[Any], Any],
        jobs: Sequence[Any],
        *,
        counter: Counter,
        poll: Callable[[], None],
    ) -> Iterator[Any]:
        for written in run(task, jobs, counter=counter, poll=poll):
            if written.listed:
                written.path.write_text(written.listed)
            yield written.counts

    return listing
