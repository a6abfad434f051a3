"""The training loop, from top to bottom: open, resume a stopped run, train, validate, report.

A run is a folder: log.jsonl, checkpoint.pt (the last one), weights.pt (of the last validation), and
card.json with card.md. All that is drawn follows from (seed, epoch, step), so two runs of one seed
are the same, and a run that was killed resumes to the same end.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from imnet_data import arguments
from imnet_data.dataset import description
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import TrainError
from imnet_data.imagenet.variants import VARIANTS
from imnet_data.machine.files import require_new
from imnet_data.machine.progress import Step, no_progress
from imnet_data.metrics import Accuracy
from imnet_data.rng import require_seed
from imnet_data.train import batches, card, checkpoint
from imnet_data.train.checkpoint import CHECKPOINT, WEIGHTS, Position
from imnet_data.train.distributed import joined
from imnet_data.train.execution import Execution, require_execution, settings
from imnet_data.train.learner import Learner
from imnet_data.train.log import FILE_NAME, Meter, RunLog
from imnet_data.train.models import parameter_count
from imnet_data.train.schedule import learning_rate

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress
    from imnet_data.train.distributed import Ranks
    from imnet_data.train.recipes import TrainingRecipe
    from imnet_data.train.transfer import Transfer

_DEFAULT_EXECUTION = Execution()


class Outcome(NamedTuple):
    """What came out of a run."""

    top1: Accuracy | None  # of the last validation; None where there was none
    top5: Accuracy | None
    seconds: float  # of training and validation, over all parts of a run that was stopped


def train(
    dataset: StrPath,
    out: StrPath,
    recipe: TrainingRecipe,
    *,
    seed: int = 0,
    execution: Execution = _DEFAULT_EXECUTION,
    start: Transfer | None = None,
    limit: int | None = None,
    progress: Progress = no_progress,
) -> Outcome:
    """Train a model on the train split of a dataset, and validate it after each epoch.

    A stopped run resumes when this is called again. Under torchrun, each rank calls this.

    Args:
        dataset: the folder of a converted dataset, or what `open_remote` gives for one in a store.
        out: the folder of the run.
        recipe: what is done; `recipes.get(name)` gives published ones.
        seed: of weights, order, crops and everything else that is drawn.
        execution: how it is done: device, precision and so on.
        start: weights to start from, by default random ones.
        limit: records of an epoch, other ones in each; by default all of the split.
        progress: called on rank 0, with a message, for each line of the log.

    Raises:
        TrainError: if `out` has another run or files of somebody else, a file is damaged, or the
            loss is not finite any more.
        ImnetError: if the dataset is damaged.
        ValueError: if an argument is not allowed, such as a limit of less than one batch.
    """
    root, out = arguments.path("dataset", dataset), arguments.path("out", out)
    require_seed("seed", seed)
    require_execution(execution)
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(joined(execution.device))
        stack.enter_context(settings(execution))
        name = description.read(root).name
        if name in VARIANTS and "train" not in VARIANTS[name].counts:
            raise TrainError(f"{dataset}: {name} is a test set; train on another")
        opened = stack.enter_context(Dataset.open(dataset, "train"))
        run = _Run(opened, recipe, seed=seed, execution=execution, start=start, ranks=ranks)
        stack.callback(run.close)
        if limit is not None:
            run.limit_epochs(limit)
        run.progress = progress if ranks.is_first else no_progress
        if ranks.is_first:
            _require_own(out)
        out.mkdir(parents=True, exist_ok=True)
        run.go_on(out)
        return run.train(out)


def _require_own(out: Path) -> None:
    """Refuse a folder in which a run would replace what no run wrote, or the weights of one."""
    if (out / CHECKPOINT).exists() or not out.exists():
        return
    began = card.is_card(out / card.JSON_NAME)
    names = (WEIGHTS,) if began else (WEIGHTS, FILE_NAME, card.JSON_NAME, card.MARKDOWN_NAME)
    for name in names:
        require_new(out / name, remedy="choose another --out")


class _Run:
    """A run under way."""

    def __init__(
        self,
        dataset: Dataset,
        recipe: TrainingRecipe,
        *,
        seed: int,
        execution: Execution,
        start: Transfer | None,
        ranks: Ranks,
    ) -> None:
        self.dataset, self.recipe, self.seed = dataset, recipe, seed
        self.execution, self.start, self.ranks = execution, start, ranks
        self.learner = Learner(
            len(dataset.classes), recipe, seed=seed, execution=execution, start=start, ranks=ranks
        )
        self.loader = batches.open_training(
            dataset.remote or dataset.root, recipe, seed=seed, execution=execution, ranks=ranks
        )
        self.validation = None
        if "val" in dataset.about.splits:
            self.validation = batches.Validation(
                dataset.remote or dataset.root, recipe, execution=execution, ranks=ranks
            )
        self.steps_per_epoch = len(self.loader) // execution.accumulate
        self.limit: int | None = None
        self.position = Position(0, 0)
        self.outcome = Outcome(None, None, 0.0)
        self.began = time.perf_counter()  # less what earlier parts of the run took
        self.log: RunLog | None = None  # on rank 0
        self.progress: Progress = no_progress

    def close(self) -> None:
        """Close threads and files."""
        self.loader.close()
        if self.validation is not None:
            self.validation.close()

    def limit_epochs(self, limit: int) -> None:
        """Let an epoch be of at most `limit` records.

        Raises:
            ValueError: if they do not fill one batch.
        """
        arguments.integer("limit", limit, least=self.recipe.batch_size)
        self.limit = limit
        self.steps_per_epoch = min(self.steps_per_epoch, limit // self.recipe.batch_size)

    @property
    def is_stopped(self) -> bool:
        """Whether the steps that were asked for are done."""
        epoch, step = self.position
        most = self.execution.max_steps
        return most is not None and epoch * self.steps_per_epoch + step >= most

    def train(self, out: Path) -> Outcome:
        """Train from the position on to the end, or for as many steps as were asked for."""
        with contextlib.ExitStack() as stack:
            if self.ranks.is_first:
                self._write_card(out)
                self.log = RunLog(out, position=self.position, steps_per_epoch=self.steps_per_epoch)
                stack.callback(self.log.close)
            for epoch in range(self.position.epoch, self.recipe.epochs):
                if self.is_stopped:
                    break
                self._epoch(epoch, out)
        return self.outcome

    def _epoch(self, epoch: int, out: Path) -> None:
        self._steps(epoch, out)
        if self.position.step < self.steps_per_epoch:
            return  # stopped
        self._validate()
        self.position = Position(epoch + 1, 0)
        if self.ranks.is_first:
            # before the checkpoint, after which the epoch is not done again
            checkpoint.write(out / WEIGHTS, self._weights())
        self._save(out)
        if self.ranks.is_first:
            self._write_card(out)

    def _steps(self, epoch: int, out: Path) -> None:
        first = self.position.step
        losses: list[Tensor] = []
        meter = Meter(self.loader.epoch(epoch, start=first * self.execution.accumulate))
        for step in range(first, self.steps_per_epoch):
            rate = learning_rate(self.recipe, epoch + step / self.steps_per_epoch)
            losses.append(self.learner.step(Position(epoch, step), meter, rate=rate))
            self.position = Position(epoch, step + 1)
            is_last = step + 1 == self.steps_per_epoch
            is_due = (step + 1) % self.execution.checkpoint_every == 0
            saves = not is_last and (is_due or self.is_stopped)
            # a line at each checkpoint: so none is put together from two parts of a run
            if is_last or saves or (step + 1) % self.execution.log_every == 0:
                self._tell(torch.stack(losses), meter, rate=rate)
                losses = []
            if saves:
                self._save(out)
                if self.is_stopped:
                    return
                meter.restart()

    def _tell(self, losses: Tensor, meter: Meter, *, rate: float) -> None:
        """Log the mean loss of the last steps over all ranks, and what the loader cost."""
        mean = float(self.ranks.sum(losses.mean())) / self.ranks.world_size
        at = self.position
        if not math.isfinite(mean):
            raise TrainError(
                f"epoch {at.epoch}, step {at.step}: the loss is {mean}; a lower learning rate, a "
                "longer warm-up, or bf16 instead of fp16 may help"
            )
        values = {
            "loss": mean,
            "learning_rate": rate,
            "size": self.recipe.pixels.size_at(at.epoch),
            **meter.read(self.ranks.world_size),
        }
        self._write("train", values)
        self._show(
            f"epoch {at.epoch + 1}/{self.recipe.epochs}  step {at.step}/{self.steps_per_epoch}  "
            f"loss {mean:.4f}  lr {rate:.4g}  {values['images_per_second']:,.0f} images/s  "
            f"waited for data {values['data_wait_seconds']:.1f} s "
            f"({100 * values['data_wait_share']:.0f} %)"
        )

    def _validate(self) -> None:
        """Count top-1 and top-5 over every record of the val split, each exactly once."""
        self.learner.settle()
        if self.validation is None:
            return
        results = self.validation.results(self.learner.logits)
        top1, top5 = results.accuracy(), results.accuracy(5)
        self.outcome = self.outcome._replace(top1=top1, top5=top5)
        self._write("val", {"top1": top1.correct, "top5": top5.correct, "records": top1.total})
        self._show(
            f"epoch {self.position.epoch + 1}/{self.recipe.epochs}  "
            f"top-1 {top1.percent:.3f} %  top-5 {top5.percent:.3f} %  of {top1.total:,} records"
        )

    def _show(self, message: str) -> None:
        epoch, step = self.position
        task = f"epoch {min(epoch + 1, self.recipe.epochs)} of {self.recipe.epochs}"
        self.progress(Step(task, step, self.steps_per_epoch, message=message))

    def _write(self, event: str, values: dict[str, Any]) -> None:
        if self.log is not None:
            self.log.write(event, self.position, values)

    def _identity(self) -> dict[str, Any]:
        """Return what may not change when a run resumes."""
        start = self.start and [str(self.start.weights), self.start.freezes_backbone]
        return {
            "seed": self.seed,
            "data": self.dataset.split_description.digest,
            "limit": self.limit,
            "start": start,
            "recipe": card.plain(self.recipe),
        }

    def _save(self, out: Path) -> None:
        self.learner.settle()
        self.outcome = self.outcome._replace(seconds=time.perf_counter() - self.began)
        if not self.ranks.is_first:
            return
        top1, top5, seconds = self.outcome
        content = {
            "identity": self._identity(),
            "position": list(self.position),
            "outcome": [top1 and list(top1), top5 and list(top5), seconds],
            "classes": list(self.dataset.classes),
            **self.learner.state(),
        }
        checkpoint.write(out / CHECKPOINT, content)

    def go_on(self, out: Path) -> None:
        """Resume the run from its checkpoint, if there is one."""
        path = out / CHECKPOINT
        if not path.exists():
            return
        content = checkpoint.read(path)
        checkpoint.require_same(path, content.get("identity", {}), self._identity())
        self.position = Position(*content["position"])
        top1, top5, seconds = content["outcome"]
        self.outcome = Outcome(top1 and Accuracy(*top1), top5 and Accuracy(*top5), seconds)
        self.began -= seconds
        self.learner.load_state(content)
        self._show(f"resuming from epoch {self.position.epoch + 1}, step {self.position.step}")

    def _weights(self) -> dict[str, Any]:
        """Return the weights that were validated, and what they are."""
        return {
            "state_dict": self.learner.best.state_dict(),
            "model": self.recipe.model,
            "classes": list(self.dataset.classes),
        }

    def _write_card(self, out: Path) -> None:
        top1, top5, seconds = self.outcome
        content = {
            "result": {
                "epochs_done": self.position.epoch,
                "top1": top1 and {**top1._asdict(), "percent": top1.percent},
                "top5": top5 and {**top5._asdict(), "percent": top5.percent},
                "seconds": round(seconds, 1),
            },
            "model": {
                "name": self.recipe.model,
                "parameters": parameter_count(self.learner.model),
                "start": self.start and self.start._asdict(),
            },
            "data": card.data_of(self.dataset),
            "recipe": self.recipe,
            "changed_from_the_published_recipe": card.changes(self.recipe),
            "seed": self.seed,
            "limit": self.limit,
            "execution": self.execution._asdict(),
            "versions": card.versions(),
            "hardware": card.hardware(self.ranks.world_size, self.ranks.device),
        }
        card.write(out, content)
