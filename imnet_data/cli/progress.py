"""Progress of long work on stderr: a changing line on a terminal, else a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from imnet_data.machine.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.machine.progress import Step

_TERMINAL_SECONDS = 0.1  # between changes of the line
_PLAIN_SECONDS = 10.0  # between plain lines


class Progress(Closing):
    """A progress callback, to be used as a context."""

    def __init__(self) -> None:
        self._stream: TextIO | None = sys.stderr  # None where it is closed
        self._terminal = self._stream is not None and self._stream.isatty()
        self._task = ""
        self._began = self._shown = 0.0
        self._open = False

    def __call__(self, step: Step) -> None:
        """Show how far the work has come."""
        if step.message:
            self.close()
            sys.stderr.write(f"{step.message}\n")
            sys.stderr.flush()
            return
        now = time.monotonic()
        if step.task != self._task:
            self.close()
            self._task, self._began, self._shown = step.task, now, now - _PLAIN_SECONDS
            if not self._terminal:
                self._shown = now  # short tasks leave no line behind
                return
        every = _TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS
        if now - self._shown >= every:
            self._shown = now
            self._show(_line(step, now - self._began))

    def _show(self, line: str) -> None:
        self._write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._open = self._terminal

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # a full disk, a reader that is gone: the work goes on without
            self._stream = None

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Print what the package logs, each message on a line of its own."""
        log, handler = logging.getLogger("imnet_data"), _Lines(self)
        level = log.level
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.setLevel(level)
            log.removeHandler(handler)

    def close(self) -> None:
        """End the line."""
        if self._open:
            self._write("\r\x1b[K")
            self._open = False


class _Lines(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.close()
        click.echo(record.getMessage())


def _line(step: Step, seconds: float) -> str:
    parts = [step.task]
    if step.total:
        parts.append(f"{step.done:,} of {step.total:,} ({100 * step.done // step.total} %)")
    if seconds > 1 and step.done:
        parts.append(f"{step.done / seconds:,.0f}/s")
        if step.done_nbytes:
            parts.append(f"{step.done_nbytes / seconds / 1e6:,.0f} MB/s")
        if step.total:
            parts.append(f"{duration((step.total - step.done) * seconds / step.done)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Write seconds as a person says them: 40 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
