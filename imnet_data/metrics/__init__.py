"""What predictions are worth: exact counts, out of a table with one row per record.

    space = ClassSpace.of(1000)                       # or the 200 classes of ImageNet-R
    outcomes = Outcomes(labels, space=space)
    outcomes.add(indices, space.reduce(logits))       # batch by batch, on any rank
    results = outcomes.merged(other_ranks).complete() # refuses records that are missing or twice
    results.accuracy(), results.accuracy(5)           # Accuracy(correct, total), both integers

NumPy does all of it; logits may be tensors as well. Running a model belongs to `evaluation`.
"""

from imnet_data.metrics.outcomes import Outcomes
from imnet_data.metrics.results import CONFIDENCE_UNIT, Accuracy, Calibration, Results
from imnet_data.metrics.space import ClassSpace

__all__ = ["CONFIDENCE_UNIT", "Accuracy", "Calibration", "ClassSpace", "Outcomes", "Results"]
