"""A summary as a routing policy: the `routing` block of a manifest and the ASSETMILL_ROUTES of an environment.

Only what is decided becomes a route; the rest is a comment with its reason. Placeholders make no policy: they show how
a comparison goes, and nothing of anybody's art. Who takes over is a decision of people: nobody is written as second
unless that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assetmill.compare.summary import Verdict
from assetmill.compare.values import Comparison
from assetmill.money import usd

ROUTABLE = re.compile(r"runpod|custom|scenario|comfyui|[a-z0-9]{10,20}")
"""Names that a manifest's `routing` takes; an address is none."""


def routes(
    comparison: Comparison, verdicts: Sequence[Verdict], *, fallback: bool = False
) -> dict[str, tuple[str, ...]]:
    """Asset type -> who makes it, and with `fallback` who takes over; only types that are decided.

    Args:
        comparison: what was compared.
        verdicts: what came of it.
        fallback: let the other side take over where some of its pictures passed the checks.
    """
    if comparison.draft:
        return {}
    found = {}
    for verdict in verdicts:
        if verdict.winner is None or not ROUTABLE.fullmatch(verdict.winner):
            continue
        side = comparison.names.index(verdict.winner)
        other = comparison.names[1 - side]
        second = (other,) if fallback and verdict.sides[1 - side].kept and ROUTABLE.fullmatch(other) else ()
        found[verdict.type] = (verdict.winner, *second)
    return found


def policy_text(comparison: Comparison, verdicts: Sequence[Verdict], *, fallback: bool = False) -> str:
    """The policy as YAML with its evidence in comments, and the same as a variable in the last line."""
    decided = routes(comparison, verdicts, fallback=fallback)
    lines = [f"# {' or '.join(comparison.names)}, by comparison {comparison.id} of {comparison.game}"]
    if comparison.draft:
        lines.append("# placeholders were compared: they show how this goes, and are no ground for a route")
    lines.append("routing:" if decided else "# nothing is decided, so there is no route:")
    for verdict in verdicts:
        chain = decided.get(verdict.type)
        lines.append(f"  # {verdict.type}: {_why(comparison, verdict)}")
        lines += [f"  #   {line}" for line in evidence(comparison, verdict)]
        lines += [f"  {verdict.type}: [{', '.join(chain)}]"] if chain else []
    if decided:
        text = ", ".join(f"{name}={'>'.join(chain)}" for name, chain in decided.items())
        lines.append(f"# ASSETMILL_ROUTES={text}")
    return "\n".join(lines) + "\n"


def evidence(comparison: Comparison, verdict: Verdict) -> tuple[str, ...]:
    """On what a verdict rests, a line a side: checks, votes, money and time; and what people found equal."""
    parts = []
    for name, side in zip(comparison.names, verdict.sides, strict=True):
        each = "cost unknown" if side.each_usd is None else f"{usd(side.each_usd)} a picture"
        each = each if side.kept else "nothing to use"
        time = "" if side.latency_s is None else f", {side.latency_s:.1f} s"
        parts.append(f"{name}: {side.kept} of {side.pictures} pass, {side.better} better, {each}{time}")
    votes = f"of {verdict.judged} judged pairs {verdict.equal} equal, {verdict.neither} without a usable picture"
    return (*parts, votes) if verdict.judged else tuple(parts)


def _why(comparison: Comparison, verdict: Verdict) -> str:
    if verdict.winner is None:
        return verdict.words
    words = f"{verdict.winner}, {verdict.words}"
    if not comparison.draft and not ROUTABLE.fullmatch(verdict.winner):
        return f"{words}; an address is no name for a route, so write one for it"
    return words
