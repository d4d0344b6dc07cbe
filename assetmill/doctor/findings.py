"""What was found out about an endpoint, as plain values; and what it comes to, for a person and for a script.

Nothing here asks anybody. Exit codes are decided in this one place: 0 everything is able, 1 something is not, or
nobody could tell, 4 the endpoint refused us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from assetmill.errors import ProviderRefused
from assetmill.providers.base import Ability


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    WARN = "warn"
    """It works, and somebody should know."""
    BAD = "bad"
    UNKNOWN = "unknown"
    """Nobody could tell."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what: `key`, `workers`, `price` ...
        state: how it stands.
        words: what was found, in one sentence.
        hint: what to do about it, where something is to be done.
    """

    name: str
    state: State
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of picture that manifests ask for.

    Args:
        type: asset type.
        variant: which of its kind, in words; empty for the only one.
        workflow: what makes it at this kind of endpoint; None where nothing does.
        able: whether the endpoint can; None where nobody knows.
        why: why not, or what is not known.
    """

    type: str
    variant: str
    workflow: str | None
    able: bool | None
    why: str = ""

    @property
    def name(self) -> str:
        """`parallax (by depth)`."""
        return f"{self.type} ({self.variant})" if self.variant else self.type


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out about one endpoint.

    Args:
        endpoint: its name in the books.
        kind: the protocol that it speaks.
        url: where it is; holds no secret.
        draft: it draws placeholders.
        checks: what was looked at.
        abilities: what it can do, workflow by workflow.
        ways: the same for what manifests ask for.
        asked_at: when it was asked; None where what stands here was found out earlier, or never.
        jobs: how many jobs were sent to find out.
        cost_usd: what they cost, by estimate; None where nobody knows.
        refused: it refused us: key, address or permission.
    """

    endpoint: str
    kind: str
    url: str
    draft: bool
    checks: tuple[Check, ...]
    abilities: tuple[Ability, ...] = ()
    ways: tuple[Way, ...] = ()
    asked_at: datetime | None = None
    jobs: int = 0
    cost_usd: Decimal | None = Decimal(0)
    refused: bool = False

    @property
    def exit_code(self) -> int:
        """0, 1 or 4."""
        if self.refused:
            return ProviderRefused.exit_code
        unable = not self.abilities or any(ability.able is not True for ability in self.abilities)
        return 1 if unable or any(check.state is State.BAD for check in self.checks) else 0

    @property
    def sentence(self) -> str:
        """What it comes to, in one line."""
        can, cannot, unknown = (named(self.ways, able=able) for able in (True, False, None))
        parts = [
            f"can do {', '.join(can)}" if can else "",
            f"cannot do {', '.join(cannot)}" if cannot else "",
            f"nobody knows about {', '.join(unknown)}" if unknown else "",
        ]
        return f"{self.endpoint}: {'; '.join(part for part in parts if part) or 'nothing is known of it'}"

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "endpoint": self.endpoint,
            "kind": self.kind,
            "url": self.url,
            "draft": self.draft,
            "asked_at": None if self.asked_at is None else self.asked_at.isoformat(),
            "jobs": self.jobs,
            "cost_usd": None if self.cost_usd is None else str(self.cost_usd),
            "checks": [
                {"name": one.name, "state": one.state, "words": one.words, "hint": one.hint} for one in self.checks
            ],
            "workflows": [
                {
                    "workflow": one.workflow,
                    "able": one.able,
                    "why": one.why,
                    "missing": list(one.missing),
                    "units": one.units,
                }
                for one in self.abilities
            ],
            "types": [
                {
                    "type": one.type,
                    "variant": one.variant,
                    "workflow": one.workflow,
                    "able": one.able,
                    "why": one.why,
                }
                for one in self.ways
            ],
            "sentence": self.sentence,
            "exit_code": self.exit_code,
        }


def named(ways: Sequence[Way], *, able: bool | None) -> list[str]:
    """Names of the ways that stand like this; a type of which all stand alike is named once."""
    alike = {way.type for way in ways if all(other.able is able for other in ways if other.type == way.type)}
    return list(dict.fromkeys(way.type if way.type in alike else way.name for way in ways if way.able is able))
