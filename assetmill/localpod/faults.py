"""What can go wrong on RunPod, as rules: which fault, whom it hits, how often, and with what figures.

A client that only ever met a well-behaved endpoint has not been tested. Everything here has been seen on RunPod
or is promised by its documentation; the words and shapes are the recorded ones. Rules are plain values: they
decide nothing (`injector` does) and do nothing (`interference` at the calls, `faulty_queue` at the jobs,
`faulty_results` at the answers). No rule may ever be on by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from assetmill.errors import UsageError


class Stage(StrEnum):
    """The moment at which a fault is drawn; one moment has at most one fault."""

    CALL = "call"
    ANSWER = "answer"
    SUBMIT = "submit"
    START = "start"
    TAKE = "take"
    RESULT = "result"
    END = "end"


class Kind(StrEnum):
    """Every fault, by the moment at which it strikes."""

    THROTTLE = "throttle"
    BAD_GATEWAY = "bad_gateway"
    KEY_REFUSED = "key_refused"
    LOST_REQUEST = "lost_request"
    OVERSIZE_BODY = "oversize_body"

    LOST_ANSWER = "lost_answer"
    GARBLED_ANSWER = "garbled_answer"
    RESET = "reset"
    SLOW_TRICKLE = "slow_trickle"

    NOT_YET = "not_yet"
    STUCK_QUEUE = "stuck_queue"
    VANISH = "vanish"
    CANCELLED_ELSEWHERE = "cancelled_elsewhere"
    PURGE = "purge"

    SLOW_COLD_START = "slow_cold_start"

    STARTUP_FAILURE = "startup_failure"
    POISONED_WORKER = "poisoned_worker"
    EXECUTION_ERROR = "execution_error"
    VALIDATION_ERROR = "validation_error"
    WORKER_DIES = "worker_dies"
    DUPLICATE_EXECUTION = "duplicate_execution"

    NO_OUTPUT = "no_output"
    OVERSIZE_RESULT = "oversize_result"
    PARTIAL_OUTPUTS = "partial_outputs"
    REORDERED_OUTPUTS = "reordered_outputs"
    TRUNCATED_IMAGE = "truncated_image"
    NOT_AN_IMAGE = "not_an_image"
    WRONG_SIZE_IMAGE = "wrong_size_image"
    BLANK_IMAGE = "blank_image"
    JPEG_AS_PNG = "jpeg_as_png"
    CMYK_JPEG = "cmyk_jpeg"
    PALETTE_PNG = "palette_png"
    DEEP_PNG = "deep_png"
    APNG = "apng"
    EXIF_ROTATED = "exif_rotated"
    HUGE_HEADER = "huge_header"

    EXPIRY = "expiry"
    LATE_PROGRESS = "late_progress"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a kind means: when it is drawn, which parameters it takes, and their values when left out."""

    stage: Stage
    takes: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _spec(stage: Stage, *takes: str, **defaults: Any) -> Spec:
    return Spec(stage, frozenset(takes) | defaults.keys(), MappingProxyType(defaults))


SUBMISSIONS: Final = ("run", "runsync")

SPECS: Final[Mapping[Kind, Spec]] = MappingProxyType(
    {
        Kind.THROTTLE: _spec(Stage.CALL, "operation", "seconds"),
        Kind.BAD_GATEWAY: _spec(Stage.CALL, "operation", status=502),
        Kind.KEY_REFUSED: _spec(Stage.CALL, "operation", status=401),
        Kind.LOST_REQUEST: _spec(Stage.CALL, "operation"),
        Kind.OVERSIZE_BODY: _spec(Stage.CALL, "operation", size_bytes=1024),
        Kind.LOST_ANSWER: _spec(Stage.ANSWER, "operation"),
        Kind.GARBLED_ANSWER: _spec(Stage.ANSWER, "operation", status=502),
        Kind.RESET: _spec(Stage.ANSWER, "operation"),
        Kind.SLOW_TRICKLE: _spec(Stage.ANSWER, "operation", size_bytes=1024, seconds=0.1),
        Kind.NOT_YET: _spec(Stage.SUBMIT, seconds=2.0),
        Kind.STUCK_QUEUE: _spec(Stage.SUBMIT, "seconds", "census", "max_workers"),
        Kind.VANISH: _spec(Stage.SUBMIT, seconds=0.0),
        Kind.CANCELLED_ELSEWHERE: _spec(Stage.SUBMIT, seconds=0.0),
        Kind.PURGE: _spec(Stage.SUBMIT, seconds=0.0),
        Kind.SLOW_COLD_START: _spec(Stage.START, seconds=60.0),
        Kind.STARTUP_FAILURE: _spec(Stage.TAKE, "worker", "words", seconds=0.0),
        Kind.POISONED_WORKER: _spec(Stage.TAKE, "worker", "seconds"),
        Kind.EXECUTION_ERROR: _spec(Stage.TAKE, "worker", "words", "seconds"),
        Kind.VALIDATION_ERROR: _spec(Stage.TAKE, "worker", "words", "seconds"),
        Kind.WORKER_DIES: _spec(Stage.TAKE, "worker", "seconds"),
        Kind.DUPLICATE_EXECUTION: _spec(Stage.TAKE, "worker", seconds=0.0),
        Kind.NO_OUTPUT: _spec(Stage.RESULT),
        Kind.OVERSIZE_RESULT: _spec(Stage.RESULT, size_bytes=1),
        Kind.PARTIAL_OUTPUTS: _spec(Stage.RESULT, "errors", count=1),
        Kind.REORDERED_OUTPUTS: _spec(Stage.RESULT),
        Kind.TRUNCATED_IMAGE: _spec(Stage.RESULT, "count", "size_bytes"),
        Kind.NOT_AN_IMAGE: _spec(Stage.RESULT, "count"),
        Kind.WRONG_SIZE_IMAGE: _spec(Stage.RESULT, "count"),
        Kind.BLANK_IMAGE: _spec(Stage.RESULT, "count", "transparent"),
        Kind.JPEG_AS_PNG: _spec(Stage.RESULT, "count"),
        Kind.CMYK_JPEG: _spec(Stage.RESULT, "count"),
        Kind.PALETTE_PNG: _spec(Stage.RESULT, "count"),
        Kind.DEEP_PNG: _spec(Stage.RESULT, "count"),
        Kind.APNG: _spec(Stage.RESULT, "count"),
        Kind.EXIF_ROTATED: _spec(Stage.RESULT, "count"),
        Kind.HUGE_HEADER: _spec(Stage.RESULT, "count"),
        Kind.EXPIRY: _spec(Stage.END, seconds=0.0),
        Kind.LATE_PROGRESS: _spec(Stage.END, "seconds"),
    }
)  # fmt: skip

STATES: Final = frozenset({"initializing", "idle", "running", "ready", "throttled", "unhealthy"})
HTTP_ERRORS: Final = range(400, 600)
_PARAMETERS: Final = frozenset().union(*(spec.takes for spec in SPECS.values()))


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault and whom it hits. What a parameter means for which kind stands in docs/local-endpoint.md.

    Args:
        kind: the fault.
        chance: share of the matching moments that it hits, 0 to 1.
        times: at most this often, None for any number.
        after: spare the first so many matching moments.
        match: only jobs whose input, as JSON without its images, contains this text.
        operation: only calls of this operation (`run`, `status`, ...); a lost or garbled answer hits `run` and
            `runsync` when nothing is said, other faults of calls hit all.
        worker: only this worker.
        seconds: how long, by the endpoint's clock.
        status: HTTP status.
        size_bytes: bytes; of a body, a result, a piece or what is left of a picture.
        count: how many images.
        words: text of the error, in place of the recorded one.
        errors: say in `output.errors` what is missing.
        transparent: blank means wholly transparent, not black.
        census: workers by state, as health tells them while a job is stuck.
        max_workers: most workers, as the endpoint's settings tell them while a job is stuck.

    Raises:
        UsageError: a figure that cannot be, or one that this kind does not take.
    """

    kind: Kind
    chance: float = 1.0
    times: int | None = None
    after: int = 0
    match: str = ""
    operation: str | None = None
    worker: str | None = None
    seconds: float | None = None
    status: int | None = None
    size_bytes: int | None = None
    count: int | None = None
    words: str | None = None
    errors: bool | None = None
    transparent: bool | None = None
    census: Mapping[str, int] | None = None
    max_workers: int | None = None

    def __post_init__(self) -> None:
        spec = SPECS[self.kind]
        given = {name for name in _PARAMETERS if getattr(self, name) is not None}
        if foreign := sorted(given - spec.takes):
            takes = ", ".join(sorted(spec.takes)) or "none"
            raise UsageError(f"fault {self.kind} takes no {foreign[0]}", hint=f"its own parameters: {takes}")
        for name in spec.defaults.keys() - given:
            object.__setattr__(self, name, spec.defaults[name])
        self._check_reach()
        self._check_figures()

    @property
    def stage(self) -> Stage:
        """When it is drawn."""
        return SPECS[self.kind].stage

    def hits(self, operation: str) -> bool:
        """Whether a call of this operation may be hit."""
        if self.operation is None and self.kind in (Kind.LOST_ANSWER, Kind.GARBLED_ANSWER, Kind.LOST_REQUEST):
            return operation in SUBMISSIONS
        return self.operation in (None, operation)

    def _check_reach(self) -> None:
        if not 0 <= self.chance <= 1:
            raise UsageError(f"chance {self.chance!r} of fault {self.kind} cannot be", hint="0 to 1")
        if self.after < 0 or (self.times is not None and self.times < 0):
            raise UsageError(f"fault {self.kind} cannot strike a negative number of times")

    def _check_figures(self) -> None:
        for name in ("seconds", "size_bytes", "count", "max_workers"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"{name} {value!r} of fault {self.kind} cannot be", hint="a number, 0 or more")
        if self.status is not None and self.status not in HTTP_ERRORS:
            raise UsageError(f"status {self.status} of fault {self.kind} is no error", hint="400 to 599")
        if self.kind is Kind.SLOW_TRICKLE and not self.size_bytes:
            raise UsageError("an answer that trickles needs pieces of at least one byte")
        check_census(self.census)


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults of one endpoint; none when nothing is said.

    Args:
        rules: the first that fits is the one that strikes.
        census: workers by state, told by health and by the listing in place of the real ones, all the time.
        max_workers: most workers, as the endpoint's settings tell them; with 0 no job is ever taken.
    """

    rules: tuple[Rule, ...] = ()
    census: Mapping[str, int] | None = None
    max_workers: int | None = None

    def __post_init__(self) -> None:
        check_census(self.census)
        if self.max_workers is not None and self.max_workers < 0:
            raise UsageError(f"max_workers {self.max_workers} cannot be", hint="0 or more")


def check_census(census: Mapping[str, int] | None) -> None:
    """Refuse a census of states that no worker has.

    Raises:
        UsageError: an unknown state, or a count below 0.
    """
    for state, count in (census or {}).items():
        if state not in STATES:
            raise UsageError(f"no worker is ever {state!r}", hint=", ".join(sorted(STATES)))
        if count < 0:
            raise UsageError(f"{count} workers cannot be {state}")


NO_FAULTS: Final = Faults()
