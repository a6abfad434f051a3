"""Assertions that print one JSON line each; one that fails does not stop those after it."""

import contextlib
import json
import sys
import time
import traceback
import warnings


class Skipped(Exception):
    """An assertion cannot be made here; says why."""


class Checks:
    """Prints the lines of one section."""

    def __init__(self, section):
        self.section = section

    @contextlib.contextmanager
    def __call__(self, name):
        """Run the body of a `with` as one assertion, with a dict for what is to be seen.

        `ok` is true, false with the error, or null where it was skipped, with the reason.
        """
        facts, ok, began = {}, True, time.perf_counter()
        try:
            yield facts
        except Skipped as reason:
            ok, facts["why"] = None, str(reason)
        except Exception as error:  # noqa: BLE001 - those after it are to be run
            traceback.print_exc()
            ok, facts["error"] = False, f"{type(error).__name__}: {error}"[:500]
        self.line(name, ok, seconds=round(time.perf_counter() - began, 2), **facts)

    def line(self, name, ok, **facts):
        """Print a line."""
        print(json.dumps({"section": self.section, "check": name, "ok": ok, **facts}), flush=True)


def need_gpu(place):
    """Raise Skipped in a rehearsal."""
    if place.is_rehearsal:
        raise Skipped("needs a GPU")


def need_dali():
    """Raise Skipped where DALI is not installed."""
    try:
        import nvidia.dali  # noqa: F401
    except ImportError as error:
        raise Skipped(f"DALI is not installed ({error})") from error


def require(is_true, what):
    """Raise an AssertionError that says `what`; python -O leaves it in."""
    if not is_true:
        raise AssertionError(what)


@contextlib.contextmanager
def counting_synchronisations(place):
    """Yield a list that has, after the body, what torch says of each wait of the host for the GPU.

    Empty in a rehearsal.
    """
    found = []
    if place.is_rehearsal:
        yield found
        return
    import torch

    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found += [f"{one.filename}:{one.lineno}" for one in caught if "synchroniz" in str(one.message)]
    print(*found, sep="\n", file=sys.stderr)
