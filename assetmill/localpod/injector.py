"""Who is hit: rules, chance and counts turned into decisions, and a record of every fault that struck.

The record is what a harness compares with what its client noticed, so a fault is noted when it takes effect and
not when the lot falls on it. Each rule draws from a random source of its own, made from the clock's: how often a
client polls does not change which jobs are hit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any, Final

from assetmill.clock import Clock
from assetmill.errors import RequestRejected, UsageError
from assetmill.localpod.fault_reading import read_rules
from assetmill.localpod.faults import Faults, Kind, Rule, Stage
from assetmill.localpod.jobs import Job

FAULT_KEY: Final = "assetmill_fault"
"""Key of a job's input that asks for faults: a kind, an object with a kind, or a list of those."""
_OF_JOBS: Final = frozenset(Stage) - {Stage.CALL, Stage.ANSWER}


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault that struck.

    Args:
        kind: which.
        subject: the job's id; the worker's for a slow start, the operation for a call without a job.
        at_s: when, by the endpoint's clock.
    """

    kind: Kind
    subject: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What might be hit now.

    Args:
        job_id: the job, if there is one.
        operation: the call's operation, for faults of calls.
        worker_id: the worker, for faults of workers.
        outline: the job's input without its images.
        asked: faults that this very call or job asks for; one of a job strikes once unless it says more `times`.
    """

    job_id: str = ""
    operation: str = ""
    worker_id: str = ""
    outline: Mapping[str, Any] = field(default_factory=dict)
    asked: tuple[Rule, ...] = ()


class _Tally:
    """How often one rule has matched and struck, and its own luck."""

    def __init__(self, seed: str, most: int | None) -> None:
        self.most = most
        self.matched = 0
        self.struck = 0
        self.luck = Random(seed)

    def strikes(self, rule: Rule) -> bool:
        self.matched += 1
        if self.matched <= rule.after or (self.most is not None and self.struck >= self.most):
            return False
        if rule.chance < 1 and self.luck.random() >= rule.chance:
            return False
        self.struck += 1
        return True


class Injector:
    """Decides which fault strikes, and remembers those that did.

    Args:
        faults: the rules.
        by_request: jobs and calls may ask for faults of their own.
        clock: time, and the random source that the rules' luck is made from.
    """

    def __init__(self, faults: Faults, clock: Clock, *, by_request: bool) -> None:
        self.faults = faults
        self.by_request = by_request
        self._now = clock.monotonic
        self._seed = str(clock.random.getrandbits(64)) if faults.rules else ""
        self._tallies = [_Tally(f"{self._seed}:{number}", rule.times) for number, rule in enumerate(faults.rules)]
        self._asked: dict[tuple[str, int], _Tally] = {}
        self._log: list[Injection] = []

    @property
    def active(self) -> bool:
        """Whether any fault can ever strike."""
        return self.by_request or self.faults != Faults()

    def draw(self, stage: Stage, subject: Subject, suits: Callable[[Rule], bool] = lambda _: True) -> Rule | None:
        """The fault that strikes here and now; those that the subject asks for come first.

        Args:
            stage: the moment.
            subject: whom it would hit.
            suits: further conditions; a rule that does not suit is not counted as a match.
        """
        for number, rule in enumerate(subject.asked):
            if rule.stage is stage and suits(rule) and self._tally(subject.job_id, number, rule).strikes(rule):
                return rule
        text: str | None = None
        for tally, rule in zip(self._tallies, self.faults.rules, strict=True):
            if rule.stage is not stage or not suits(rule) or rule.worker not in (None, subject.worker_id):
                continue
            if rule.match:
                text = as_text(subject.outline) if text is None else text
            if (not rule.match or rule.match in (text or "")) and tally.strikes(rule):
                return rule
        return None

    def note(self, kind: Kind, subject: str) -> None:
        """A fault has taken effect."""
        self._log.append(Injection(kind, subject, self._now()))

    def log(self) -> tuple[Injection, ...]:
        """Every fault that took effect, oldest first."""
        return tuple(self._log)

    def counts(self) -> Mapping[str, int]:
        """How often each fault took effect."""
        return MappingProxyType(dict(Counter(one.kind.value for one in self._log)))

    def subject(self, job: Job, worker_id: str = "", operation: str = "") -> Subject:
        """A job as something to hit."""
        return Subject(job.id, operation, worker_id, job.outline, self.asked_by(job.outline))

    def asked_by(self, job_input: Mapping[str, Any]) -> tuple[Rule, ...]:
        """Faults that a job's input asks for.

        Raises:
            RequestRejected: it asks for something that there is not.
        """
        if not self.by_request or FAULT_KEY not in job_input:
            return ()
        try:
            return read_rules(job_input[FAULT_KEY])
        except UsageError as error:
            raise RequestRejected(f"{FAULT_KEY}: {error.message}", hint=error.hint) from None

    def _tally(self, job_id: str, number: int, rule: Rule) -> _Tally:
        """How often a fault that was asked for has struck; a call's own is new each time."""
        fresh = _Tally(f"{self._seed}:{job_id}:{number}", 1 if rule.times is None else rule.times)
        return self._asked.setdefault((job_id, number), fresh) if job_id and rule.stage in _OF_JOBS else fresh


def as_text(outline: Mapping[str, Any]) -> str:
    """An input as text to search in: JSON with its letters as they are."""
    try:
        return json.dumps(outline, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # too deep to look into
        return ""
