"""What can be made to go wrong at the local Scenario, and when it strikes.

A fault is asked for by the endpoint's settings, by a test that injects it, or by the words of a prompt. Without
being asked for, nothing goes wrong here. It decides who is struck; how a broken answer looks is the HTTP side's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from assetmill.errors import UsageError
from assetmill.localpod.rules import read_rules


class Kind(StrEnum):
    """What happens; the blocks are `Stage`s."""

    CEILING = "ceiling"  # 429: as many jobs are out as may be
    COOL_DOWN = "cool-down"  # 429: wait for so many seconds
    BAD_REQUEST = "bad-request"  # 400
    NO_PLAN = "no-plan"  # 403: the plan lacks the model
    ERROR = "error"  # 5xx, and nothing was accepted
    CUT = "cut"  # the connection is closed, and nothing was accepted

    ANSWER_LOST = "answer-lost"  # accepted, and the connection is closed without an answer
    RESET = "reset"  # accepted, and the connection is reset in the middle of the answer
    ERROR_AFTER = "error-after"  # accepted, and 5xx

    FAILURE = "failure"  # the job ends in `failure`, with `metadata.error`
    CANCELED = "canceled"  # the job ends in `canceled`
    SLOW = "slow"  # the job takes so many seconds longer

    TRUNCATED = "truncated"  # the second half of the file is missing
    FORBIDDEN = "forbidden"  # 403: as if the address had expired


class Stage(StrEnum):
    """When a fault strikes."""

    BEFORE = "before"
    AFTER = "after"
    JOB = "job"
    FILE = "file"


GENERATES: Final = frozenset({"txt2img", "img2img", "remove-background", "custom"})
"""Calls that make a job that costs; a fault that names no call strikes these."""

CALLS: Final = GENERATES | {
    "upload", "uploads", "part", "job", "jobs", "cancel", "asset", "assets", "model", "models", "usages", "cdn",
}  # fmt: skip
_STAGES: Final[Mapping[Kind, Stage]] = {
    **dict.fromkeys((Kind.CEILING, Kind.COOL_DOWN, Kind.BAD_REQUEST, Kind.NO_PLAN, Kind.ERROR, Kind.CUT), Stage.BEFORE),
    **dict.fromkeys((Kind.ANSWER_LOST, Kind.RESET, Kind.ERROR_AFTER), Stage.AFTER),
    **dict.fromkeys((Kind.FAILURE, Kind.CANCELED, Kind.SLOW), Stage.JOB),
    **dict.fromkeys((Kind.TRUNCATED, Kind.FORBIDDEN), Stage.FILE),
}
_TOKEN: Final = re.compile(r"\bfault:(?:([a-z0-9-]+)/)?([a-z-]+)(?:\*(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    Args:
        kind: what happens.
        call: which call it strikes, one of `CALLS`; None for those that make a job that costs, and for `cdn`
            where files break.
        match: only what has this text in its prompt; background removal and the like have that of their picture.
        after: spares the first so many.
        times: then strike as often; None for ever.
        seconds: of a cool-down, and of what a slow job takes longer.
        status: of an error.
        error: text of a failed job.
        refund: a failed job is paid back.

    Raises:
        UsageError: no such call, or it can never strike.
    """

    kind: Kind
    call: str | None = None
    match: str = ""
    after: int = 0
    times: int | None = 1
    seconds: float = 5.0
    status: int = 503
    error: str = "Inference failed: the worker ran out of memory"
    refund: bool = True

    def __post_init__(self) -> None:
        if self.call is not None and self.call not in CALLS:
            raise UsageError(f"no call is named {self.call!r}", hint=", ".join(sorted(CALLS)))
        if self.after < 0 or (self.times is not None and self.times < 1) or self.seconds < 0:
            raise UsageError("a fault can neither spare nor strike nor wait less than nothing")

    @property
    def stage(self) -> Stage:
        """When it strikes."""
        return _STAGES[self.kind]

    def concerns(self, stage: Stage, call: str, prompt: str) -> bool:
        """Whether a call is one of those that it may strike."""
        if self.stage is not stage or self.match not in prompt:
            return False
        if self.call is None:
            return stage is Stage.FILE or call in GENERATES
        return call == self.call


class Luck:
    """Says which fault strikes whom, and remembers.

    Args:
        faults: rules from the settings.
        by_prompt: prompts may ask for faults.
    """

    def __init__(self, faults: tuple[Fault, ...], *, by_prompt: bool) -> None:
        self._rules = list(faults)
        self._by_prompt = by_prompt
        self._known: set[tuple[str, str]] = set()
        self._seen: Counter[int] = Counter()
        self._struck: Counter[Kind] = Counter()

    def add(self, fault: Fault) -> None:
        """One more rule, from now on."""
        self._rules.append(fault)

    def struck(self) -> Mapping[Kind, int]:
        """How often each fault has struck."""
        return dict(self._struck)

    def draw(self, stage: Stage, call: str, prompt: str = "") -> Fault | None:
        """The fault that strikes now; the first of several."""
        if self._by_prompt:
            self._learn(prompt)
        found: Fault | None = None
        for place, rule in enumerate(self._rules):
            if not rule.concerns(stage, call, prompt):
                continue
            if found is None and self._due(place, rule):
                found = rule
                self._struck[rule.kind] += 1
        return found

    def _due(self, place: int, rule: Fault) -> bool:
        seen = self._seen[place]
        self._seen[place] += 1
        return seen >= rule.after and (rule.times is None or seen < rule.after + rule.times)

    def _learn(self, prompt: str) -> None:
        """Make rules of the words of a prompt that has not been heard before; unknown words are no rules."""
        for found in _TOKEN.finditer(prompt):
            call, kind, times = found.groups()
            if (prompt, found[0]) in self._known or kind not in {*Kind} or (call and call not in CALLS):
                continue
            self._known.add((prompt, found[0]))
            self._rules.append(Fault(Kind(kind), call, prompt, times=int(times) if times else 1))


def read_faults_file(path: Path) -> tuple[Fault, ...]:
    """Rules from a file: a JSON list of objects with the fields of `Fault`.

    Raises:
        UsageError: it cannot be read, or is not that; says which rule and field.
    """
    return read_rules(path, Fault, Kind)
