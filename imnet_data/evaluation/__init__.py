"""What a model is worth on a dataset, so that the number can be put beside published ones.

    model = load_model("timm:resnet50", checkpoint="resnet50.pth")
    results = evaluate(model, "/data/imagenet", protocol=Protocol(recipes=(EvalRecipe.timm(),)))
    results.results.accuracy()     # Accuracy(correct=..., total=50000)

Every record is scored exactly once, or there is no number. What classes the dataset has is said by
its dataset.json, what the outputs of the model are by the model; where they differ there is no
number, either. `load_model` alone imports torch: a Model can be any function. Counting belongs to
`metrics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.errors import MissingExtra
from imnet_data.evaluation.evaluate import Evaluation, evaluate
from imnet_data.evaluation.groups import Grouping
from imnet_data.evaluation.scoring import Model, Protocol, score

if TYPE_CHECKING:
    from imnet_data.arguments import StrPath

__all__ = ["Evaluation", "Grouping", "Model", "Protocol", "evaluate", "load_model", "score"]


def load_model(name: str, *, checkpoint: StrPath | None = None, device: str = "cpu") -> Model:
    """Return a model of torch by name; see `evaluation.torch_models.load`.

    Raises:
        MissingExtra: if torch is not installed.
    """
    try:
        from imnet_data.evaluation import torch_models
    except ModuleNotFoundError as error:
        raise MissingExtra(f"models need {error.name}: pip install {error.name}") from error
    path = None if checkpoint is None else arguments.path("checkpoint", checkpoint)
    return torch_models.load(name, checkpoint=path, device=device)
