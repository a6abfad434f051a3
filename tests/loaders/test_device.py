"""Which batches are held for a GPU, and until when."""

import gc
import weakref
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")

from imnet_data.loaders.device import held


class Images:
    """Stands for those of a batch; can be looked for."""


class Queue:
    """A stand-in for a GPU: its marks come when somebody waits for them."""

    def __init__(self):
        self.marks = []

    def mark(self) -> Any:
        self.marks.append(Mark())
        return self.marks[-1]


class Mark:
    is_done = False

    def synchronize(self):
        self.is_done = True


def batches_of(count, seen):
    for _ in range(count):
        images = Images()
        seen.append(weakref.ref(images))
        yield images
        del images


def test_a_batch_is_held_until_its_work_is_done_and_the_stream_is_asked_for_each_time():
    queue = Queue()
    seen: list[Any] = []
    given: Any = held(batches_of(5, seen), queue.mark)
    for number in range(5):
        next(given)
        gc.collect()
        assert len(queue.marks) == number  # one for each batch before, when the next is asked for
        alive = [reference() is not None for reference in seen]
        done = [mark.is_done for mark in queue.marks]
        assert alive[-3:] == [True] * min(3, number + 1)
        for was_held, is_done in zip(alive, done, strict=False):
            assert was_held != is_done
    with pytest.raises(StopIteration):
        next(given)
    assert [mark.is_done for mark in queue.marks] == [True] * 6


@pytest.mark.parametrize("taken", [1, 2, 4])
def test_an_epoch_that_is_left_waits_for_what_was_queued_last(taken):
    queue = Queue()
    seen: list[Any] = []
    given: Any = held(batches_of(5, seen), queue.mark)
    for _ in range(taken):
        next(given)
    given.close()
    assert [mark.is_done for mark in queue.marks] == [True] * taken
