"""Progress on the terminal: a live line where there is one, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from assetmill.batch.progress import Listener, Progress

PLAIN_EVERY_S = 5.0
ETA_AFTER = 2


@contextmanager
def shown_progress(console: Console) -> Iterator[Listener]:
    """A listener that shows a batch's progress for as long as the block lasts."""
    if console.is_terminal:
        with _live(console) as listener:
            yield listener
    else:
        yield _Plain(console)


@contextmanager
def _live(console: Console) -> Iterator[Listener]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[more]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, more="")
        eta, noted = _Eta(), 0

        def listen(progress: Progress) -> None:
            nonlocal noted
            if progress.notes != noted:  # it would be gone with the bar
                noted = progress.notes
                bar.console.print(progress.message, soft_wrap=True, markup=False)
            total = progress.total or None
            bar.update(
                task,
                description=progress.step,
                total=total,
                completed=progress.ended,
                more=line(progress, eta(progress)),
            )

        yield listen


class _Plain:
    """A line for each step, and one every few seconds while pictures are made."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._message = ""
        self._said_at = 0.0
        self._eta = _Eta()

    def __call__(self, progress: Progress) -> None:
        now, eta_s = time.monotonic(), self._eta(progress)
        if progress.message != self._message:
            self._message = progress.message
            self._console.print(progress.message, soft_wrap=True, markup=False)
        last = progress.total and progress.ended == progress.total
        if progress.total and (last or now - self._said_at >= PLAIN_EVERY_S):
            self._said_at = now
            counts = f"{progress.ended}/{progress.total} done"
            self._console.print(f"{counts}, {line(progress, eta_s)}", soft_wrap=True)


class _Eta:
    """Time left, from the pace so far."""

    def __init__(self) -> None:
        self._began: float | None = None

    def __call__(self, progress: Progress) -> float | None:
        now = time.monotonic()
        if progress.jobs and self._began is None:
            self._began = now
        if self._began is None or progress.ended < ETA_AFTER or progress.ended >= progress.total:
            return None
        return (now - self._began) / progress.ended * (progress.total - progress.ended)


def line(progress: Progress, eta_s: float | None) -> str:
    """Queue, workers, failures, money and time left in one line."""
    parts = [f"{progress.queued} in queue", f"{progress.running} running"]
    parts += [f"{progress.failed} failed"] if progress.failed else []
    parts.append(progress.spent)
    parts += [f"{eta_s:.0f} s left"] if eta_s is not None else []
    return ", ".join(parts)
