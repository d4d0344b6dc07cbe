"""What smoke tests found, as plain values; and what it comes to, for a person and for a script.

Nothing here asks anybody. What nobody told is None, never 0. Exit codes are decided in this one place, as docs/cli.md
has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from assetmill.money import Cost


class State(StrEnum):
    """How one job of a smoke test ended."""

    PASSED = "passed"
    REJECTED = "rejected"
    """Its pictures came, and are not what they have to be."""
    FAILED = "failed"
    """It brought no pictures."""
    OPEN = "open"
    """It goes on out of our sight: `assetmill settle` collects it."""
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class Split:
    """Where the time of a job went, milliseconds; the first three are all of the fourth.

    Args:
        start_ms: until a worker began it, as the endpoint told: queue, and the worker's start if one had to start.
        execution_ms: on the worker, as the endpoint told.
        transfer_ms: all else: the request on its way, the end being noticed, pictures fetched, decoded and saved.
        whole_ms: from before the request until the pictures are saved, by our own clock.
    """

    start_ms: int | None
    execution_ms: int | None
    transfer_ms: int | None
    whole_ms: int


def split_of(start_ms: int | None, execution_ms: int | None, whole_ms: int) -> Split:
    """Split a time; what the endpoint did not tell leaves the transfer unknown, too."""
    if execution_ms is None or start_ms is None:
        return Split(start_ms, execution_ms, None, whole_ms)
    return Split(start_ms, execution_ms, max(0, whole_ms - start_ms - execution_ms), whole_ms)


@dataclass(frozen=True, slots=True)
class File:
    """A picture that came back.

    Args:
        role: which output it is.
        path: where it was saved on this machine; empty if it could not be.
        key: where it is in the store.
        width: pixels.
        height: pixels.
        bytes: length.
    """

    role: str
    path: str
    key: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Shot:
    """One job of a smoke test.

    Args:
        kind: what was asked for.
        turn: `first` or `warm`.
        state: how it ended.
        workflow: graph or pipeline.
        seed: seed that was sent.
        drawn_from: what it started from, in words.
        attempt_id: its row in the books; None where nothing was written.
        job_id: the endpoint's id.
        worker_id: who made it, where the endpoint tells.
        split: times; None where it did not come to an end.
        cold: whether its worker had to start for it; None where nobody can tell.
        cold_why: how that is known.
        cost: what it cost, with its source; None where nothing was sent.
        files: what came back.
        problems: what is wrong with it, one sentence each.
        hint: what to do about it.
        error: code of the error, if there was one.
    """

    kind: str
    turn: str
    state: State
    workflow: str = ""
    seed: int | None = None
    drawn_from: str = ""
    attempt_id: str | None = None
    job_id: str | None = None
    worker_id: str | None = None
    split: Split | None = None
    cold: bool | None = None
    cold_why: str = ""
    cost: Cost | None = None
    files: tuple[File, ...] = ()
    problems: tuple[str, ...] = ()
    hint: str = ""
    error: str | None = None

    @property
    def name(self) -> str:
        """`txt2img, first`."""
        return f"{self.kind}, {self.turn}"

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; money as text."""
        split, cost = self.split, self.cost
        return {
            "kind": self.kind,
            "turn": self.turn,
            "state": self.state,
            "workflow": self.workflow,
            "seed": self.seed,
            "drawn_from": self.drawn_from,
            "attempt_id": self.attempt_id,
            "job_id": self.job_id,
            "worker_id": self.worker_id,
            "times_ms": None if split is None else {
                "start": split.start_ms, "execution": split.execution_ms, "transfer": split.transfer_ms,
                "whole": split.whole_ms,
            },
            "cold": self.cold,
            "cold_why": self.cold_why,
            "cost_usd": None if cost is None else {
                "low": _text(cost.low), "estimate": _text(cost.estimate), "high": _text(cost.high),
                "source": cost.source,
            },
            "files": [
                {
                    "role": one.role, "path": one.path, "key": one.key, "width": one.width, "height": one.height,
                    "bytes": one.bytes,
                }
                for one in self.files
            ],
            "problems": list(self.problems),
            "hint": self.hint,
            "error": self.error,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All smoke tests of one command.

    Args:
        run_id: as the books name it.
        endpoint: name of the endpoint.
        kind: the protocol that it speaks.
        url: where it is; holds no secret.
        draft: it draws placeholders.
        prompt: the words that were sent.
        folder: where the pictures were saved.
        store: address of the store that has them, too.
        shots: the jobs, in their order.
        stopped: why the rest was not sent; empty if all of it was.
        stop_code: exit code of that reason; 0 without one.
    """

    run_id: str
    endpoint: str
    kind: str
    url: str
    draft: bool
    prompt: str
    folder: str
    store: str
    shots: tuple[Shot, ...]
    stopped: str = ""
    stop_code: int = 0

    @property
    def exit_code(self) -> int:
        """That of the reason for which the rest was not sent; else 1 if any job did not pass."""
        return self.stop_code or int(any(shot.state is not State.PASSED for shot in self.shots))

    @property
    def passed(self) -> tuple[str, ...]:
        """Kinds of which every job passed."""
        return tuple(kind for kind, shots in self._by_kind() if all(one.state is State.PASSED for one in shots))

    @property
    def cost_usd(self) -> Decimal | None:
        """Sum of what the jobs cost by estimate; None where one of them has no estimate."""
        known = [shot.cost.estimate for shot in self.shots if shot.cost is not None]
        return None if None in known else sum((one for one in known if one is not None), Decimal(0))

    @property
    def sentence(self) -> str:
        """What it comes to, in one line, without the money."""
        kinds, good = self._by_kind(), self.passed
        bad = [f"{kind} ({_worst(shots)})" for kind, shots in kinds if kind not in good]
        sent = sum(shot.attempt_id is not None for shot in self.shots)
        jobs = "1 job" if sent == 1 else f"{sent} jobs"
        words = f"{len(good)} of {len(kinds)} passed at {self.endpoint} by {jobs}"
        return f"{words}; not {', '.join(bad)}" if bad else words

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        cost = self.cost_usd
        return {
            "run_id": self.run_id,
            "endpoint": self.endpoint,
            "kind": self.kind,
            "url": self.url,
            "draft": self.draft,
            "prompt": self.prompt,
            "folder": self.folder,
            "store": self.store,
            "shots": [shot.as_json() for shot in self.shots],
            "passed": list(self.passed),
            "cost_usd": None if cost is None else str(cost),
            "stopped": self.stopped,
            "sentence": self.sentence,
            "exit_code": self.exit_code,
        }

    def _by_kind(self) -> list[tuple[str, list[Shot]]]:
        kinds = dict.fromkeys(shot.kind for shot in self.shots)
        return [(kind, [shot for shot in self.shots if shot.kind == kind]) for kind in kinds]


def _worst(shots: Sequence[Shot]) -> State:
    return next(shot.state for shot in shots if shot.state is not State.PASSED)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
