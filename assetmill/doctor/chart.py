"""An examination while it goes on: who is examined, with what, and what was noted so far.

What is noted is in the words that a person reads in the end. Nothing here asks anybody, and no secret is in any word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from assetmill.clock import Clock
from assetmill.doctor.findings import Check, State
from assetmill.providers.base import Ability
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.pulse import Pulse
from assetmill.settings import Settings
from assetmill.workflows.library import Library


@dataclass
class Chart:
    """One endpoint's examination.

    Args:
        settings: the environment.
        endpoint: who is examined.
        clock: time.
        library: workflows and their contract.
        ask: send probe jobs where nothing else tells.
        lasts: it is still there when this is over, so that it is worth writing down.
        checks: what was looked at.
        found: what it can do, as it has just said.
        jobs: probes that were sent.
        cost_usd: what they cost; None where nobody knows.
        refused: it refused us.
    """

    settings: Settings
    endpoint: Endpoint
    clock: Clock
    library: Library
    ask: bool
    lasts: bool
    checks: list[Check] = field(default_factory=list)
    found: tuple[Ability, ...] = ()
    jobs: int = 0
    cost_usd: Decimal | None = field(default=Decimal(0))
    refused: bool = False

    def note(self, name: str, state: State, words: str, hint: str = "") -> None:
        """Write down one thing that was looked at."""
        self.checks.append(Check(name, state, words, hint))

    def note_answer(self, pulse: Pulse) -> None:
        """Write down that the endpoint answers."""
        key = "takes the key" if self.endpoint.key is not None else "asks for no key"
        queue = f"; {pulse.in_queue} jobs wait there" if pulse.in_queue else ""
        self.note("endpoint", State.OK, f"it answers and {key}{queue}")

    def note_workers(self, pulse: Pulse) -> bool:
        """Write down what workers there may be; says whether a job could ever be taken."""
        now = ", ".join(f"{number} {status}" for status, number in pulse.workers.items()) or "none"
        if pulse.max_workers == 0:
            words = "max workers is 0, so nothing would ever run; RunPod sets that after 7 days without a request"
            hint = "`assetmill endpoint scale file` raises it; with ASSETMILL_SCALE=restore runs do it themselves"
            self.note("workers", State.BAD, words, hint)
            return False
        if pulse.max_workers is None:
            words = f"its settings cannot be read, so nobody knows how many workers it may have; now: {now}"
            self.note("workers", State.UNKNOWN, words, "give the key read access to the management API")
            return True
        least = f"{pulse.min_workers} to " if pulse.min_workers else "at most "
        words = f"{least}{pulse.max_workers} workers; now: {now}"
        if pulse.max_workers < self.endpoint.max_workers:
            hint = f"ASSETMILL_MAX_WORKERS is {self.endpoint.max_workers}: jobs would wait behind fewer workers"
            self.note("workers", State.WARN, words, hint)
        else:
            self.note("workers", State.OK, words)
        return True

    def note_price(self, endpoint: Endpoint) -> None:
        """Write down what it costs, from where, and on which GPUs.

        Args:
            endpoint: the same one, with the price that was found.
        """
        if not endpoint.paid:
            self.note("price", State.OK, f"free of charge ({endpoint.price_source})")
            return
        by_units, gpu = endpoint.by_units, f" on {endpoint.gpu}" if endpoint.gpu else ""
        usd, unit = (endpoint.usd_per_unit, "unit") if by_units else (endpoint.usd_per_s, f"worker's second{gpu}")
        if usd is None:
            hint = "budgets cannot be kept without it; .env.example says how to give one"
            self.note("price", State.WARN, f"nobody knows what a {unit} costs ({endpoint.price_source})", hint)
            return
        self.note("price", State.OK, f"${usd.normalize():f} a {unit} ({endpoint.price_source})")
