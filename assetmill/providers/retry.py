"""What is sent again, how often and with what change, decided without waiting: the caller sleeps and sends.

Two questions are kept apart. Before acceptance nothing can be paid twice, and only patience limits the tries
(`pause_before_resend`). After it every try is an attempt with its cost: `RULES` says by class of error how
often the same picture may be paid for again, and `decide` holds all classes together under one cap. Nothing
here reads a clock, a ledger or a job; docs/retries.md shows the table, and a test compares the two.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assetmill.errors import (
    AttemptError,
    BlankImage,
    CancelledElsewhere,
    DraftAnswer,
    ExecutionFailed,
    InvalidImage,
    JobFailed,
    NeverArrived,
    NotDelivered,
    OutcomeUnknown,
    OutOfSight,
    QueueStalled,
    RequestRejected,
    RequestTooLarge,
    ResultExpired,
    ResultInvalid,
    ResultLost,
    ResultTooLarge,
    StartupFailed,
    Throttled,
    TimedOut,
    ValidationFailed,
    WorkerFault,
    WrongCount,
)

MAX_TRIES = 6
BASE_S = 1.0
CEILING_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
RETRY_AFTER_JITTER = 0.2

MOST_PAID = 3
RESEND_UNKNOWN = 1

SEED_SPACE = 2**53
_STRIDE = 5_566_755_282_872_655  # odd, so that multiples of it meet every seed before they meet one again


class Blame(StrEnum):
    """Where the reader of an error has to look, and what a breaker counts it against."""

    ASSET = "asset"
    WORKER = "worker"
    ENDPOINT = "endpoint"
    NOBODY = "nobody"


class Charge(StrEnum):
    """Whether RunPod bills an attempt that ended so."""

    YES = "yes"
    NO = "no"
    PERHAPS = "perhaps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What follows from one class of error.

    Args:
        again: how often the same picture may be sent again after it, in one run.
        new_seed: whether the retry takes another seed, because the same one would draw the same pixels.
        blames: where the fault lies.
        charged: whether the attempt is billed.
        elsewhere: whether another provider that is written down may make the picture, once this one has given it up.
        why: the reason, in one sentence, as docs/retries.md tells it.
    """

    again: int
    new_seed: bool = False
    blames: Blame
    charged: Charge
    elsewhere: bool = False
    why: str

    @property
    def hopeless(self) -> bool:
        """Whether every other picture of the workflow would meet the same end at this endpoint."""
        return self.again == 0 and self.blames is Blame.ENDPOINT


RULES: Mapping[type[AttemptError], Rule] = {
    AttemptError: Rule(
        again=0, blames=Blame.NOBODY, charged=Charge.PERHAPS, why="Nothing is known of it, so nothing is risked."
    ),
    NotDelivered: Rule(
        again=0,
        blames=Blame.NOBODY,
        charged=Charge.NO,
        elsewhere=True,
        why="It was sent six times for nothing; a job that went out and is out of sight has not failed: it stays open.",
    ),
    NeverArrived: Rule(
        again=2,
        blames=Blame.NOBODY,
        charged=Charge.NO,
        elsewhere=True,
        why="There is no such job, so nothing is paid twice.",
    ),
    OutOfSight: Rule(
        again=0,
        blames=Blame.NOBODY,
        charged=Charge.PERHAPS,
        why="Its job may still come back: it stays open, and whoever settles collects it.",
    ),
    Throttled: Rule(
        again=0,
        blames=Blame.NOBODY,
        charged=Charge.NO,
        elsewhere=True,
        why="It was sent again as often and as late as the endpoint asked for.",
    ),
    RequestRejected: Rule(
        again=0,
        blames=Blame.ENDPOINT,
        charged=Charge.NO,
        elsewhere=True,
        why="The same body would be refused again.",
    ),
    RequestTooLarge: Rule(
        again=0, blames=Blame.ASSET, charged=Charge.NO, elsewhere=True, why="It would be as large again."
    ),
    OutcomeUnknown: Rule(
        again=RESEND_UNKNOWN,
        blames=Blame.ENDPOINT,
        charged=Charge.PERHAPS,
        why="The job was looked for and not found; it may yet run, so this is the one case that can pay twice.",
    ),
    JobFailed: Rule(
        again=1,
        blames=Blame.WORKER,
        charged=Charge.YES,
        elsewhere=True,
        why="Its words do not tell memory from a bad node, S3 or an interrupt; one more try does.",
    ),
    WorkerFault: Rule(
        again=2,
        blames=Blame.WORKER,
        charged=Charge.YES,
        elsewhere=True,
        why="The request is sound and another worker can do it.",
    ),
    StartupFailed: Rule(
        again=2,
        blames=Blame.WORKER,
        charged=Charge.YES,
        elsewhere=True,
        why="A worker that came up slowly is warm by the next try, and another one may be sound.",
    ),
    ExecutionFailed: Rule(
        again=0, blames=Blame.ASSET, charged=Charge.YES, why="The same request would raise the same error."
    ),
    ValidationFailed: Rule(
        again=0,
        blames=Blame.ENDPOINT,
        charged=Charge.YES,
        elsewhere=True,
        why="The worker would refuse the same graph again.",
    ),
    TimedOut: Rule(
        again=1,
        blames=Blame.WORKER,
        charged=Charge.PERHAPS,
        elsewhere=True,
        why="A worker that hangs is not the next one; a second timeout means that the limit is too short.",
    ),
    CancelledElsewhere: Rule(
        again=0, blames=Blame.NOBODY, charged=Charge.PERHAPS, why="Somebody did not want it; that is theirs to undo."
    ),
    ResultLost: Rule(
        again=0, blames=Blame.NOBODY, charged=Charge.YES, why="How it was lost is not known, and so might be the next."
    ),
    ResultTooLarge: Rule(
        again=0,
        blames=Blame.ENDPOINT,
        charged=Charge.YES,
        elsewhere=True,
        why="The same result would be too large again.",
    ),
    ResultExpired: Rule(
        again=1,
        blames=Blame.ENDPOINT,
        charged=Charge.PERHAPS,
        elsewhere=True,
        why="Results live 30 minutes and queued jobs can vanish; the next one is watched from its beginning.",
    ),
    ResultInvalid: Rule(
        again=0,
        blames=Blame.ENDPOINT,
        charged=Charge.YES,
        elsewhere=True,
        why="The form of an answer is the worker's program or settings, not this picture.",
    ),
    InvalidImage: Rule(
        again=1, blames=Blame.ASSET, charged=Charge.YES, why="Bytes are cut off or altered on their way, not for good."
    ),
    BlankImage: Rule(
        again=1,
        new_seed=True,
        blames=Blame.ENDPOINT,
        charged=Charge.YES,
        why="The sampler or the cut-out found nothing with this seed, and would find nothing again.",
    ),
    WrongCount: Rule(
        again=1,
        blames=Blame.ENDPOINT,
        charged=Charge.YES,
        elsewhere=True,
        why="A warm worker's cache can swallow outputs, which a new prefix cures; a node that does not validate"
        " there is not cured.",
    ),
    DraftAnswer: Rule(
        again=0, blames=Blame.ENDPOINT, charged=Charge.YES, why="The endpoint is not what it was taken for."
    ),
    QueueStalled: Rule(
        again=0,
        blames=Blame.ENDPOINT,
        charged=Charge.NO,
        elsewhere=True,
        why="The batch stops: whatever is sent would wait in the same queue.",
    ),
}

_FREE = frozenset(kind.code for kind, rule in RULES.items() if rule.charged is Charge.NO)


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again, as a new attempt with a new filename prefix.

    Args:
        new_seed: take the seed that `new_seed` gives for the next try.
        why: for the log.
    """

    new_seed: bool
    why: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send it again in this run; `why` says which limit spoke."""

    why: str


def rule_for(error: AttemptError | type[AttemptError]) -> Rule:
    """Rule of an error: that of its class, or of the nearest class above it that has one."""
    kind = error if isinstance(error, type) else type(error)
    return next(rule for above in kind.__mro__ if (rule := RULES.get(above)))


def decide(
    error: AttemptError,
    earlier: Sequence[str | type[AttemptError]] = (),
    *,
    resend_unknown: int = RESEND_UNKNOWN,
    most_paid: int = MOST_PAID,
) -> Again | GiveUp:
    """Whether a picture whose attempt was accepted, or may have been, is sent again.

    Args:
        error: what the last attempt ended with. Cancel its job first if that may still run.
        earlier: classes, or codes, of this picture's earlier failures in this run, without `error`.
        resend_unknown: how often an unknown outcome is sent again.
        most_paid: most attempts for one picture in one run that are charged, or may be.
    """
    rule = rule_for(error)
    allowed = resend_unknown if isinstance(error, OutcomeUnknown) else rule.again
    codes = [kind if isinstance(kind, str) else kind.code for kind in earlier]
    times = codes.count(error.code)
    if not allowed:
        return GiveUp(f"{error.code} is never sent again: {rule.why}")
    if times >= allowed:
        return GiveUp(f"{error.code} came back after {times} more {'try' if times == 1 else 'tries'}")
    paid = 1 + sum(code not in _FREE for code in codes)
    if paid >= most_paid:
        return GiveUp(f"{paid} attempts were paid for this picture in this run; the most is {most_paid}")
    return Again(rule.new_seed, f"try {len(codes) + 2}, after {error.code}")


def new_seed(seed: int, try_no: int) -> int:
    """Seed of a later try: the same for the same arguments, and another one for every try.

    Args:
        seed: the picture's own seed, which the first try has; not that of the try before.
        try_no: from 1, the first try, whose seed stays as it is.

    Returns:
        0 to 2**53 - 1, which every JSON reader keeps exactly.
    """
    return (seed + (try_no - 1) * _STRIDE) % SEED_SPACE


def pause_before_resend(error: AttemptError, tries: int, chance: random.Random) -> float | None:
    """Seconds to wait before sending the same request again, or None to give up.

    Args:
        error: what the last try ended with.
        tries: how often it has been sent so far, from 1.
        chance: source of jitter (full jitter: anywhere from 0 to the exponential bound; after Retry-After, up to
            a fifth of it more, so that jobs which were refused together do not come back together).

    Raises:
        Throttled: the endpoint asks for more than 300 s; the message says for how long.
    """
    if tries >= MAX_TRIES or not isinstance(error, NotDelivered | Throttled):
        return None
    asked_s = error.retry_after_s if isinstance(error, Throttled) else None
    if asked_s is None or not math.isfinite(asked_s):
        return chance.random() * min(CEILING_S, BASE_S * float(2**tries))
    if asked_s > LONGEST_RETRY_AFTER_S:
        raise Throttled(
            f"{error.message}: it asks for {asked_s:.0f} s of patience; the most is {LONGEST_RETRY_AFTER_S:.0f} s",
            retry_after_s=asked_s,
            hint="run again later; nothing was accepted",
        ) from error
    asked_s = max(0.0, asked_s)
    return asked_s + chance.random() * max(BASE_S, RETRY_AFTER_JITTER * asked_s)
