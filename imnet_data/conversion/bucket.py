"""Where a conversion to an object store meets: `OUT/.part` there, without any lock.

Shards are uploaded under their final names, which is no dataset as long as there is no
dataset.json. Beside the plan, `.part` has the journals of those that are done, and with each
journal the identities that the shard's objects got: so what is done is known on any machine. Two
runs may write the same, as a shard is a function of the plan; a run with another plan finds the
first one's, and ends.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from imnet_data.conversion import journal, shared_plan, staging
from imnet_data.conversion.written import jobs, journal_path
from imnet_data.dataset import beside, description
from imnet_data.dataset.layout import LABELS, SUMS
from imnet_data.errors import ConvertError
from imnet_data.storage import download
from imnet_data.storage.upload import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.shared_plan import SharedPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.dataset.description import Description
    from imnet_data.storage.apart import StoreApart

Item = TypeVar("Item")
Result = TypeVar("Result")

_PLAN = f"{staging.NAME}/{shared_plan.FILE_NAME}"
_JOURNALS = f"{staging.NAME}/journals"
_OBJECTS = ".objects"  # of a journal: the identities of its shard's objects
_THREADS = 8  # that wait for a store


class Overtaken(ConvertError):
    """Another run has finished the dataset, or what was begun there is gone."""


class Bucket(NamedTuple):
    """The objects below OUT."""

    store: StoreApart
    plan: bytes = b""  # that was agreed on

    @property
    def out(self) -> str:
        """How messages call it."""
        return self.store.where("").rstrip("/")


def is_dataset(bucket: Bucket) -> bool:
    """Return whether there is a finished dataset."""
    return bucket.store.nbytes(description.FILE_NAME) is not None


def require_reachable(bucket: Bucket) -> None:
    """Ask for what a run asks for later, so that a wrong OUT is known before a source is scanned.

    Raises:
        StorageError: if the place does not exist, or cannot be read.
    """
    bucket.store.names(staging.NAME)


def read_plan(bucket: Bucket) -> tuple[Bucket, SharedPlan] | None:
    """Return the plan that was begun there, if one was, and the place with it."""
    if bucket.store.nbytes(_PLAN) is None:
        return None
    content = download.content(bucket.store, _PLAN)
    begun = shared_plan.parsed(content, bucket.store.where(_PLAN), bucket.out)
    return bucket._replace(plan=content), begun


def agree(bucket: Bucket, plan: SharedPlan, identities: dict[str, str]) -> Bucket:
    """Put the plan there, or compare it with the one that is there; return the place with it.

    Raises:
        ConvertError: if something else was begun there, or other objects are there.
    """
    begun = read_plan(bucket)
    _refuse_strangers(bucket, begun[1].splits if begun else ())
    if begun is None:
        bucket.store.create(_PLAN, plan.to_bytes())
        begun = read_plan(bucket)  # another run may have been first
    if begun is None:
        raise _overtaken(bucket)
    shared_plan.require_equal(begun[1], plan, identities, out=bucket.out, discard=bucket.out)
    return begun[0]


def _refuse_strangers(bucket: Bucket, splits: Collection[str]) -> None:
    """Refuse objects that are not in one of `splits`, and no part of a conversion."""
    for name in bucket.store.names():
        top, _, rest = name.partition("/")
        is_stage = name == _PLAN or name.startswith(f"{_JOURNALS}/")
        if not is_stage and not (splits and name in (LABELS, SUMS)):
            if rest and top in splits:
                continue
            raise ConvertError(
                f"{bucket.store.where(name)}: is there already, and belongs to no conversion that "
                f"was begun; choose another OUT, or remove {bucket.out}"
            )


def require_begun(bucket: Bucket) -> None:
    """Refuse to go on where the plan is not there any more, or is another one.

    Raises:
        Overtaken: naming the place.
    """
    nbytes = bucket.store.nbytes(_PLAN)
    if nbytes is None or bucket.store.read(_PLAN, 0, nbytes) != bucket.plan:
        raise _overtaken(bucket)


def _overtaken(bucket: Bucket) -> Overtaken:
    return Overtaken(
        f"{bucket.out}: another run has finished or removed what was begun there, so this one has "
        "ended; run the same command again to see which"
    )


def publish(bucket: Bucket, writing: Writing, job: ShardJob) -> None:
    """Bring a shard, and then its journal, to the store; each object is checked there."""
    require_begun(bucket)
    folder, head = writing.stage / job.split, writing.journal(job)
    identities = {}
    for path in sorted(folder.iterdir()):
        name = f"{job.split}/{path.name}"
        identities[name] = upload(bucket.store, name, path)
    head.with_suffix(_OBJECTS).write_text(json.dumps(identities))
    for path in _journal_files(head):
        upload(bucket.store, f"{_JOURNALS}/{path.name}", path)


def _journal_files(head: Path) -> list[Path]:
    """Return the files of a journal, its head last."""
    return [head.with_suffix(_OBJECTS), *journal.files(head)]


def missing(bucket: Bucket, plan: SharedPlan, folder: Path) -> list[ShardJob]:
    """Return the shards that are still to be written, and bring the journals of all others."""
    everything = jobs(plan.splits)
    done = _each(partial(_is_done, bucket, folder), everything)
    return [job for job, is_done in zip(everything, done, strict=True) if not is_done]


def _is_done(bucket: Bucket, folder: Path, job: ShardJob) -> bool:
    """Return whether a shard's objects are those that were checked; bring its journal."""
    head = journal_path(folder, job)
    for _ in range(2):  # the second time if another run has written them since
        if not journal.is_whole(head) and not _bring(bucket, head):
            return False
        if _has_objects(bucket, head, job.split):
            return True
        head.unlink()
    return False


def _bring(bucket: Bucket, head: Path) -> bool:
    """Bring a journal, if there is one; return whether it is whole."""
    for path in reversed(_journal_files(head)):
        name = f"{_JOURNALS}/{path.name}"
        if bucket.store.nbytes(name) is None:
            return False
        path.write_bytes(download.content(bucket.store, name))
    return journal.is_whole(head)


def fetch(bucket: Bucket, name: str, folder: Path) -> None:
    """Bring an object to a folder.

    Raises:
        StorageError: if it is not there.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    nbytes = download.size(bucket.store, name)
    download.download(bucket.store, name, nbytes, path, sha256=None)


def _has_objects(bucket: Bucket, head: Path, split: str) -> bool:
    try:
        objects = dict(json.loads(head.with_suffix(_OBJECTS).read_bytes()))
    except (ValueError, TypeError):
        return False
    return f"{split}/{journal.read_head(head).name}" in objects and all(
        bucket.store.identity(name) == identity for name, identity in objects.items()
    )


def finish(bucket: Bucket, made: Path) -> None:
    """Upload what describes the dataset, dataset.json last."""
    names = [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()]
    names.remove(description.FILE_NAME)
    _each(lambda name: upload(bucket.store, name, made / name), names)
    require_begun(bucket)
    upload(bucket.store, description.FILE_NAME, made / description.FILE_NAME)


def tidy(bucket: Bucket, about: Description, done: Iterable[ShardJob] = ()) -> None:
    """Put what other tools look for beside a finished dataset, and remove what it was made from.

    Args:
        bucket: the place.
        about: what dataset.json says.
        done: shards whose journals are there, whether they are listed or not.
    """
    for name, content in beside.contents(about).items():
        if bucket.store.nbytes(name) is None:
            bucket.store.put(name, content)
    heads = (journal_path(Path(), job) for job in done)
    known = {f"{_JOURNALS}/{path.name}" for head in heads for path in _journal_files(head)}
    _each(bucket.store.remove, sorted({_PLAN, *known, *bucket.store.names(_JOURNALS)}))


def _each(task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            return list(threads.map(task, items))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
