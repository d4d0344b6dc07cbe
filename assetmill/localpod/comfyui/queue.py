"""The prompts of the local ComfyUI: what waits, what runs, and what it remembers of those that have ended.

Everything is in memory, as in ComfyUI: `forget` is what a restart does. Smallest number first. No HTTP, no drawing.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Prompt:
    """A graph that was taken.

    Args:
        number: its place in the queue.
        id: the server's or the client's id of it.
        graph: what runs.
        extra: what came beside it.
        outputs: ids of the output nodes that run.
        interrupted: set when it is to end early.
    """

    number: float
    id: str
    graph: Mapping[str, Any]
    extra: Mapping[str, Any]
    outputs: tuple[str, ...]
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    def item(self) -> list[Any]:
        """As queue and history tell it."""
        return [self.number, self.id, self.graph, self.extra, list(self.outputs)]


class PromptQueue:
    """Queue and history.

    Args:
        most_history: entries that the history holds.
    """

    def __init__(self, most_history: int) -> None:
        self._most_history = most_history
        self._waiting: list[tuple[float, int, Prompt]] = []
        self._places = itertools.count()
        self._came = asyncio.Event()
        self.running: Prompt | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.most_outstanding = 0

    def put(self, prompt: Prompt) -> None:
        """Take a prompt."""
        heapq.heappush(self._waiting, (prompt.number, next(self._places), prompt))
        self.most_outstanding = max(self.most_outstanding, self.outstanding)
        self._came.set()

    async def wait(self) -> None:
        """Return when there is something to run."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()

    def take(self) -> Prompt | None:
        """The next prompt, which runs from now on; None if it was taken away meanwhile."""
        self.running = heapq.heappop(self._waiting)[2] if self._waiting else None
        return self.running

    def done(self, prompt: Prompt, outputs: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """A prompt has ended; one that the server has forgotten since leaves no trace."""
        if self.running is not prompt:
            return
        self.running = None
        if len(self.history) >= self._most_history:
            self.history.pop(next(iter(self.history)))
        self.history[prompt.id] = {
            "prompt": prompt.item(),
            "outputs": dict(outputs),
            "status": dict(status),
            "meta": {},
        }

    @property
    def outstanding(self) -> int:
        """Prompts that wait or run."""
        return len(self._waiting) + (self.running is not None)

    def pending(self) -> list[Prompt]:
        """What waits, in the order of a heap."""
        return [prompt for _, _, prompt in self._waiting]

    def delete(self, wanted: Callable[[Prompt], bool]) -> bool:
        """Take prompts that wait out of the queue; whether there were any."""
        kept = [entry for entry in self._waiting if not wanted(entry[2])]
        gone = len(kept) < len(self._waiting)
        self._waiting = kept
        heapq.heapify(self._waiting)
        return gone

    def forget(self) -> None:
        """Lose everything; what runs goes on without anybody knowing it."""
        if self.running is not None:
            self.running.interrupted.set()
        self.running = None
        self._waiting.clear()
        self.history.clear()
