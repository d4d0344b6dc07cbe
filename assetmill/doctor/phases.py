"""How far the way to workers of our own has been gone: five phases, each done, not yet, or unknown, and why.

The rules only: they are given what was looked at and what the books remember, and say what it comes to and which
command is next. A phase is never called done because nobody could tell; what nobody could tell is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from assetmill.doctor.history import Made, Smoked
from assetmill.money import usd
from assetmill.providers.endpoint import Endpoint

VARIABLES: Final[Mapping[str, str]] = {
    "custom": "RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID",
    "runpod": "RUNPOD_COMFYUI_ENDPOINT_ID",
}
"""Endpoint's name -> variable that its id stands in."""


class Stands(StrEnum):
    """How a phase stands."""

    DONE = "done"
    NOT_YET = "not_yet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the migration.

    Args:
        name: image, endpoint, environment, smoke or switch.
        stands: how it stands.
        words: why, in one sentence without a secret.
        then: what to do about it: a command, or words; empty where nothing is to be done.
    """

    name: str
    stands: Stands
    words: str
    then: str = ""

    def as_json(self) -> dict[str, str]:
        """All of it as JSON values."""
        return {"name": self.name, "stands": self.stands, "words": self.words, "then": self.then}


def drawn(image: Phase, released_at: datetime | None, found: Mapping[str, Smoked]) -> Phase:
    """The image's phase, once more: what workers have drawn with is there, whatever its registry keeps to itself.

    Args:
        image: as the registry tells it.
        released_at: since when the endpoint has had this very image; None where nobody knows.
        found: kind -> its newest smoke test at that endpoint.
    """
    proven = released_at is not None and any(one.passed and one.at >= released_at for one in found.values())
    if image.stands is not Stands.UNKNOWN or not proven:
        return image
    return Phase(image.name, Stands.DONE, f"{image.words}; but workers of the endpoint have drawn with it")


def environment(ids: Mapping[str, str], *, key: bool, made: str | None, pool: str | None = None) -> Phase:
    """Whether this environment knows the endpoint, and may use it.

    Args:
        ids: endpoint's name -> id, of those that are set.
        key: RUNPOD_API_KEY is set.
        made: id of the endpoint that the endpoint file describes; None where it is not there or nobody knows.
        pool: ASSETMILL_GPU_POOL, by which plans know a price without asking.
    """
    name = "environment"
    if not key:
        then = "put RUNPOD_API_KEY into .env; .env.example explains every variable"
        return Phase(name, Stands.NOT_YET, "RUNPOD_API_KEY is not set", then)
    if made is not None and made not in ids.values():
        told = ", ".join(f"{VARIABLES[one]} is {value}" for one, value in ids.items()) or "no endpoint id is set"
        free = next((one for one in ("runpod", "custom") if one not in ids), "custom")
        return Phase(
            name, Stands.NOT_YET, f"the file's endpoint is {made}, and {told}", f"{VARIABLES[free]}={made} in .env"
        )
    if not ids:
        then = "`assetmill endpoint apply` makes one and prints the line for .env"
        return Phase(name, Stands.NOT_YET, "the key is set, and no endpoint id", then)
    known = "; ".join(("the key is set", *(f"{one} is {value}" for one, value in ids.items())))
    if not pool:
        then = "ASSETMILL_GPU_POOL=ADA_24 in .env, or whatever pool stands first in the endpoint file"
        return Phase(name, Stands.DONE, f"{known}; plans know no price", then)
    return Phase(name, Stands.DONE, known)


def smoke(endpoint: Endpoint | None, kinds: Sequence[str], found: Mapping[str, Smoked], now: datetime) -> Phase:
    """Whether every kind of smoke test has passed at the endpoint, by its newest one.

    Args:
        endpoint: where; None where none is configured.
        kinds: every kind of test.
        found: kind -> its newest test there.
        now: aware time.
    """
    if endpoint is None:
        return Phase("smoke", Stands.NOT_YET, "there is no endpoint to test")
    passed = [kind for kind in kinds if (one := found.get(kind)) and one.passed and not one.stale]
    never = [kind for kind in kinds if kind not in found]
    failed = [f"{kind} ({found[kind].why})" for kind in kinds if kind in found and not found[kind].passed]
    stale = [kind for kind in kinds if (one := found.get(kind)) and one.passed and one.stale]
    groups = {"failed": failed, "its graph has changed since": stale, "never tried": never}
    words = f"{len(passed)} of {len(kinds)} kinds passed at {endpoint.name}"
    if found:
        words += f", the newest {ago(max(one.at for one in found.values()), now)}"
    words += "".join(f"; {why}: {', '.join(names)}" for why, names in groups.items() if names)
    if len(passed) == len(kinds):
        return Phase("smoke", Stands.DONE, words)
    missing = [kind for kind in kinds if kind not in passed]
    what = "full" if len(missing) > 1 else missing[0]
    return Phase("smoke", Stands.NOT_YET, words, f'assetmill smoke --endpoint {endpoint.name} {what} "a brass robot"')


def switch(
    first: Mapping[str, str], ours: Sequence[str], made: Mapping[str, Made], *, target: str, fallback: str = ""
) -> Phase:
    """Whether all images come from workers of our own, and who made them this month.

    Args:
        first: asset type -> who is asked first.
        ours: names among them that are workers of our own.
        made: endpoint's name -> pictures of this month.
        target: name of the endpoint that is being moved to.
        fallback: who is set up beside it and could take over; empty for nobody.
    """
    month = ", ".join(f"{one.pictures} by {name} (about {_usd(one)})" for name, one in made.items()) or "none yet"
    names = list(dict.fromkeys(first.values()))
    told = [f"{name} ({', '.join(kind for kind in first if first[kind] == name)})" for name in names]
    words = f"images come from {', '.join(told) if len(told) > 1 else names[0]}; this month: {month}"
    others = [name for name in names if name not in ours]
    if not others:
        return Phase("switch", Stands.DONE, words)
    if len(others) < len(names):
        return Phase("switch", Stands.NOT_YET, words, "ASSETMILL_ROUTES in .env, if the others are to follow")
    if fallback or target != "runpod":
        chain = f"{target}>{fallback}" if fallback else target
        return Phase("switch", Stands.NOT_YET, words, f'ASSETMILL_ROUTES="*={chain}" in .env')
    return Phase("switch", Stands.NOT_YET, words, "IMAGE_GENERATION_PROVIDER=runpod in .env")


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was, in whole units."""
    minutes = max(int((now - then).total_seconds()) // 60, 0)
    for size, unit in ((60 * 24, "day"), (60, "hour"), (1, "minute")):
        if count := minutes // size:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def _usd(made: Made) -> str:
    return usd(Decimal(str(round(made.usd, 4))))
