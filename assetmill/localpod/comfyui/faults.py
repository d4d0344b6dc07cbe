"""What may go wrong at the local ComfyUI, and when.

A fault strikes a number of times and then never again, so that a test or a rehearsal ends. Each is something that
a real server does: it dies, runs out of memory, loses an answer, is started again by somebody. Nothing here acts;
`server` and `queue` ask.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assetmill.errors import UsageError


class Kind(StrEnum):
    """Kinds of faults."""

    LOST_REQUEST = "lost-request"
    """The connection closes, and the graph is not taken."""

    LOST_ANSWER = "lost-answer"
    """The graph is taken, and the connection closes before the answer."""

    BUSY = "busy"
    """503 from what stands before the server; nothing is taken."""

    THROTTLED = "throttled"
    """429 with Retry-After of `seconds`; nothing is taken."""

    NODE_ERROR = "node-error"
    """A node raises."""

    OUT_OF_MEMORY = "out-of-memory"
    """The sampler runs out of GPU memory."""

    SLOW = "slow"
    """The graph takes `seconds` longer."""

    INTERRUPTED = "interrupted"
    """Somebody interrupts the graph."""

    CRASH = "crash"
    """The server dies over the graph, and comes back after its start-up time without any memory."""

    CRASH_AFTER_WRITING = "crash-after-writing"
    """The same, when the pictures have been written and nothing else."""

    NO_FILE = "no-file"
    """A picture is not there when it is asked for."""

    TORN_FILE = "torn-file"
    """Only half of a picture comes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        kind: what goes wrong.
        times: how often; None for always.
        match: text that the graph holds, or the name of the file; empty for any.
        after: how many that match are spared first.
        seconds: how long, where the kind has a duration.
    """

    kind: Kind
    times: int | None = 1
    match: str = ""
    after: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if (self.times is not None and self.times < 1) or self.after < 0 or self.seconds < 0:
            raise UsageError(f"fault {self.kind} can never strike", hint="times from 1, after and seconds from 0")


class Faults:
    """Which faults are still to strike, and which have."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._met = dict.fromkeys(faults, 0)
        self.struck: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """From now on this one may strike too."""
        self._met[fault] = 0

    def draw(self, subject: Mapping[str, Any] | str, *kinds: Kind) -> Fault | None:
        """The first fault of these kinds that strikes a graph or a file, if any does."""
        text: str | None = None
        for fault in self._met:
            if fault.kind not in kinds:
                continue
            text = _text(subject) if text is None else text
            if fault.match not in text:
                continue
            self._met[fault] += 1
            past = self._met[fault] - fault.after
            if past > 0 and (fault.times is None or past <= fault.times):
                self.struck[fault.kind.value] += 1
                return fault
        return None


def _text(subject: Mapping[str, Any] | str) -> str:
    return subject if isinstance(subject, str) else json.dumps(subject, ensure_ascii=False, default=str)
