import numpy as np
import pytest

from imnet_data.errors import EvaluationError
from imnet_data.metrics import Accuracy, ClassSpace, Outcomes

COUNT, CLASSES = 503, 37  # primes: no number of ranks or batches divides them


@pytest.fixture(scope="module")
def logits():
    return np.random.default_rng(1).normal(0, 2, (COUNT, CLASSES)).astype(np.float32)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(2).integers(0, CLASSES, COUNT)


def score(logits, labels, space=None):
    space = space or ClassSpace.of(logits.shape[1])
    outcomes = Outcomes(labels, space=space)
    outcomes.add(np.arange(len(labels)), space.reduce(logits))
    return outcomes.complete()


def test_five_records_computed_by_hand():
    logits = np.log([[4, 3, 1], [1, 1, 2], [2, 1, 1], [8, 1, 1], [1, 3, 6]])
    results = score(logits, [0, 1, 2, 1, 2])
    assert results.top.tolist() == [[0, 1, 2], [2, 0, 1], [0, 1, 2], [0, 1, 2], [2, 1, 0]]
    assert results.accuracy() == Accuracy(2, 5)
    assert results.accuracy().percent == 40.0
    assert results.accuracy(2) == Accuracy(3, 5)
    assert results.accuracy(5) == Accuracy(5, 5)
    assert results.by_class() == {0: (1, 1), 1: (0, 2), 2: (1, 2)}
    assert results.taken_for(1) == {0: 1, 2: 1}
    assert results.worst_mistakes(2).tolist() == [3, 1]  # 0.8, then 0.5 before its equal
    assert (results.confidences / 2**32).tolist() == pytest.approx([0.5, 0.5, 0.5, 0.8, 0.6])
    calibration = results.calibration(bins=10)
    assert calibration.counts.tolist() == [0, 0, 0, 0, 0, 3, 1, 0, 1, 0]
    assert calibration.correct.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0]
    # bins: |1 - 1.5| + |1 - 0.6| + |0 - 0.8| over 5 records
    assert calibration.error == pytest.approx(1.7 / 5)


def test_of_equal_logits_the_lowest_label_comes_first():
    results = score(np.array([[0.0, 2, 2, 2, 0, 2, 2]]), [6])
    assert results.top.tolist() == [[1, 2, 3, 5, 6]]
    assert score(np.zeros((1, 7)), [5]).accuracy(5) == Accuracy(0, 1)


def test_a_confidence_of_one_is_in_the_last_bin():
    calibration = score(np.array([[1000.0, 0]]), [0]).calibration(bins=4)
    assert calibration.counts.tolist() == [0, 0, 0, 1]
    assert calibration.error == 0


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_ranks_and_batches_change_nothing(logits, labels, ranks, batch_size):
    space = ClassSpace.of(CLASSES)
    parts = []
    for rank in range(ranks):
        part = Outcomes(labels, space=space)
        mine = np.arange(rank, COUNT, ranks)[::-1]
        for start in range(0, len(mine), batch_size):
            indices = mine[start : start + batch_size]
            part.add(indices, space.reduce(logits[indices]))
        parts.append(part)
    results = parts[0].merged(*parts[1:]).complete()
    whole = score(logits, labels)
    for column, expected in zip(results, whole, strict=True):
        np.testing.assert_array_equal(column, expected)
    assert results.calibration().error == whole.calibration().error


def test_missing_and_repeated_records_are_refused(logits, labels):
    space = ClassSpace.of(CLASSES)
    outcomes = Outcomes(labels, space=space)
    outcomes.add([0, 1, 3], space.reduce(logits[[0, 1, 3]]))
    with pytest.raises(EvaluationError, match="3 of 503 records were scored; record 2 is"):
        outcomes.complete()
    with pytest.raises(EvaluationError, match=r"record 3 was scored 2 times \(1 such records\)"):
        outcomes.add([2, 3], space.reduce(logits[[2, 3]]))
    with pytest.raises(EvaluationError, match="record 5 was scored 2 times"):
        Outcomes(labels, space=space).add([5, 5], space.reduce(logits[[5, 5]]))


def test_a_record_that_two_ranks_scored_is_refused(logits, labels):
    space = ClassSpace.of(CLASSES)
    whole, padded = Outcomes(labels, space=space), Outcomes(labels, space=space)
    whole.add(np.arange(COUNT), space.reduce(logits))
    padded.add([0], space.reduce(logits[:1]))
    with pytest.raises(EvaluationError, match="record 0 was scored 2 times"):
        whole.merged(padded).complete()


def test_wrong_arguments_are_refused(logits, labels):
    space = ClassSpace.of(CLASSES)
    outcomes = Outcomes(labels, space=space)
    with pytest.raises(ValueError, match=r"logits are \(3, 36\); expected \[n, 37\]"):
        space.reduce(logits[:3, :36])
    with pytest.raises(ValueError, match=r"scores are \(3, 37\); expected \(2, 37\)"):
        outcomes.add([0, 1], logits[:3])
    with pytest.raises(ValueError, match="indices go to 503; the split has 503 records"):
        outcomes.add([503], logits[:1])
    with pytest.raises(ValueError, match="depth is 6; allowed are 1 to 5"):
        score(logits, labels).accuracy(6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_refused(value):
    with pytest.raises(EvaluationError, match="not finite"):
        ClassSpace.of(2).reduce(np.array([[0.0, value]]))


def test_records_without_a_label_are_refused():
    with pytest.raises(EvaluationError, match="record 1 has the label -1"):
        Outcomes([0, -1], space=ClassSpace.of(2))


def test_classes_that_the_dataset_lacks_are_dropped_before_the_best_is_taken():
    logits = np.array([[1.0, 9, 2, 0], [3, 9, 2, 1]])
    masked = score(logits, [2, 2], ClassSpace.of(4, only=[0, 2, 3]))
    assert masked.top.tolist() == [[2, 0, 3], [0, 2, 3]]
    assert masked.accuracy() == Accuracy(1, 2)
    assert score(logits, [2, 2]).accuracy() == Accuracy(0, 2)
    softmax = np.exp(3) / np.exp([3, 2, 1]).sum()
    assert masked.confidences[1] / 2**32 == pytest.approx(softmax)


def test_outputs_that_count_as_one_class_give_it_their_largest_logit():
    space = ClassSpace([2, -1, 0, 0, 2])
    assert space.labels.tolist() == [0, 2]
    assert space.reduce(np.array([[1.0, 9, 2, 4, 3]])).tolist() == [[4, 3]]


def test_real_labels_score_only_records_that_have_some():
    results = score(np.eye(3)[[0, 1, 2, 2]], [0, 0, 0, 0])
    assert results.real_accuracy([[0, 1], [], [2], [0, 1]]) == Accuracy(2, 3)
    with pytest.raises(ValueError, match="labels of 1 records for 4"):
        results.real_accuracy([[0]])


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_are_taken_as_well(logits, kind):
    torch = pytest.importorskip("torch", reason="tensors are torch's")
    tensor = torch.from_numpy(logits).to(getattr(torch, kind)).requires_grad_()
    reduced = ClassSpace.of(CLASSES).reduce(tensor)
    assert reduced.dtype == (np.float64 if kind == "float64" else np.float32)
    np.testing.assert_array_equal(reduced, tensor.detach().double().numpy())


def test_top_labels_are_those_of_torch(logits, labels):
    torch = pytest.importorskip("torch", reason="it is the oracle")
    expected = torch.from_numpy(logits).topk(5).indices.numpy()
    np.testing.assert_array_equal(score(logits, labels).top, expected)


def test_numbers_are_those_of_torchmetrics(logits, labels, torchvision):
    del torchvision  # torchmetrics imports it where it is installed
    torch = pytest.importorskip("torch", reason="torchmetrics needs it")
    reason = "it is the oracle"
    oracle = pytest.importorskip("torchmetrics.functional.classification", reason=reason)
    logits = logits + 4 * np.eye(CLASSES, dtype=np.float32)[labels]  # so that some are right
    tensors = torch.from_numpy(logits), torch.from_numpy(labels)
    results = score(logits, labels)
    for depth in (1, 5):
        expected = oracle.multiclass_accuracy(
            *tensors, num_classes=CLASSES, average="micro", top_k=depth
        )
        assert results.accuracy(depth).correct == round(float(expected) * COUNT)
    by_class = oracle.multiclass_accuracy(*tensors, num_classes=CLASSES, average=None)
    ours = [accuracy.percent / 100 for accuracy in results.by_class().values()]
    np.testing.assert_allclose(ours, by_class, rtol=1e-6)
    confusion = oracle.multiclass_confusion_matrix(*tensors, num_classes=CLASSES).numpy()
    for label in range(CLASSES):
        wrong = {at: n for at, n in enumerate(confusion[label].tolist()) if n and at != label}
        assert results.taken_for(label) == wrong
    error = oracle.multiclass_calibration_error(*tensors, num_classes=CLASSES, n_bins=15)
    assert results.calibration().error == pytest.approx(float(error), abs=1e-6)
