"""How well are batches mixed, against a perfect shuffle?

No images are needed: records are their labels, 1,281,167 of 1000 classes of 732 to 1,300 (which
class has how many is made up), in the two orders that a conversion gives: sorted by class, and
shuffled. From these, two epochs are ordered by: nothing; webdataset's own buffer on shards in
shuffled order (one stream, as one worker has it); `order="block"` in several sizes; and
`order="shuffled"`. "perfect" is NumPy's permutation. Of the batches of 256:

- entropy: of the classes in a batch, in bits, on average, and of the worst batch; what BatchNorm
  and the gradient see;
- classes: different ones in a batch, on average;
- met again: how many times as often as by chance two records of a batch are together in a batch of
  the next epoch as well.

The last line is one JSON document.

    python benchmarks/bench_shuffle.py [--records 1281167]
"""

import argparse
import functools
import importlib.metadata
import json
import random

import numpy as np

from imnet_data.loaders import schedule
from imnet_data.loaders.schedule import Schedule
from imnet_data.rng import shuffled

BATCH_SIZE = 256
SHARD_SIZE = 2_300  # records, as many as a shard of 256 MiB has
CLASSES, SMALL_CLASSES = 1_000, 66  # all but 66 of 1,300: 1,281,256 records
SEED = 0


def sorted_labels(count):
    """Return the labels of records sorted by class, int64[count]."""
    sizes = np.full(CLASSES, 1_300.0)
    sizes[:: CLASSES // SMALL_CLASSES][:SMALL_CLASSES] = np.linspace(732, 1_300, SMALL_CLASSES)
    ends = np.rint(np.cumsum(sizes) * (count / sizes.sum())).astype(int)
    return np.repeat(np.arange(CLASSES), np.diff(ends, prepend=0))


def nothing(count, epoch):
    return np.arange(count)


def perfect(count, epoch):
    return np.random.default_rng(epoch).permutation(count)


def buffered(count, epoch, bufsize):
    from webdataset.filters import _shuffle

    generator = random.Random(epoch)
    shards = list(range(0, count, SHARD_SIZE))
    generator.shuffle(shards)
    stream = (record for first in shards for record in range(first, min(first + SHARD_SIZE, count)))
    mixed = _shuffle(stream, bufsize=bufsize, initial=bufsize, rng=generator)
    return np.fromiter(mixed, np.int64, count)


def ours(count, epoch, order, block=schedule.BLOCK, group=schedule.GROUP):
    """Return the order of an epoch, with blocks of another size than the loader has."""
    schedule.BLOCK, schedule.GROUP = block, group
    whole = Schedule(count=count, batch_size=BATCH_SIZE, seed=SEED, order=order)
    return whole.epoch_order(epoch)


ORDERS = {
    "none": nothing,
    "webdataset, buffer of 1,000": functools.partial(buffered, bufsize=1_000),
    "webdataset, buffer of 10,000": functools.partial(buffered, bufsize=10_000),
    "block, 16 of 256": functools.partial(ours, order="block", block=256, group=16),
    "block, 16 of 1,024": functools.partial(ours, order="block", block=1_024, group=16),
    "block, 64 of 256 (the loader's)": functools.partial(ours, order="block"),
    "block, 256 of 64": functools.partial(ours, order="block", block=64, group=256),
    "shuffled": functools.partial(ours, order="shuffled"),
    "perfect": perfect,
}


def histograms(labels):
    """Return how often each class is in each batch, int64[batches, classes]."""
    batches = len(labels) // BATCH_SIZE
    cells = np.repeat(np.arange(batches), BATCH_SIZE) * CLASSES + labels[: batches * BATCH_SIZE]
    return np.bincount(cells, minlength=batches * CLASSES).reshape(batches, CLASSES)


def entropies(counts):
    """Return the entropy of the classes of each batch in bits, float64[batches]."""
    shares = counts / BATCH_SIZE
    return -(shares * np.log2(shares, out=np.zeros_like(shares), where=shares > 0)).sum(axis=1)


def met_again(first, second):
    """Return how many times as often as by chance pairs of a batch are together in both epochs."""
    count = len(first)
    batch = np.empty((2, count), np.int64)
    for row, order in zip(batch, (first, second), strict=True):
        row[order] = np.arange(count) // BATCH_SIZE
    together = np.unique(batch[0] * count + batch[1], return_counts=True)[1]
    pairs = (together * (together - 1)).sum()
    return float(pairs / (count * (BATCH_SIZE - 1)) / ((BATCH_SIZE - 1) / (count - 1)))


def measure(labels, order):
    first, second = (order(len(labels), epoch) for epoch in (0, 1))
    if not np.array_equal(np.sort(first), np.arange(len(labels))):
        raise SystemExit(f"{order}: not every record comes once")
    counts = histograms(labels[first])
    entropy = entropies(counts)
    return {
        "entropy": float(entropy.mean()),
        "worst": float(entropy.min()) + 0.0,  # not -0
        "classes": float((counts > 0).sum(axis=1).mean()),
        "met_again": met_again(first, second),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_281_167)
    count = parser.parse_args().records
    by_class = sorted_labels(count)
    conversions = {"sorted": by_class, "shuffled": by_class[shuffled(count, seed=SEED)]}
    results = {}
    print("| converted | order of an epoch | entropy | worst batch | classes | met again |")
    print("| --- " * 6 + "|")
    for conversion, labels in conversions.items():
        for name, order in ORDERS.items():
            result = results[f"{conversion}: {name}"] = measure(labels, order)
            print(
                f"| {conversion} | {name} | {result['entropy']:.2f} | {result['worst']:.2f} | "
                f"{result['classes']:.0f} | {result['met_again']:,.1f} |",
                flush=True,
            )
    versions = {name: importlib.metadata.version(name) for name in ("webdataset", "numpy")}
    print(json.dumps({"benchmark": "shuffle", "records": count, "results": results, **versions}))


if __name__ == "__main__":
    main()
