"""The page on which people look at both pictures and say which is better.

One HTML document that loads nothing but the two pictures, opened from disk or from the program that serves it. Names
and costs stay hidden until a vote is cast, in the page itself: whoever reads its source cheats only themselves.
Everything shown is data; none of it may ever become markup or script. Rendering reads no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined

from assetmill.compare.policy import policy_text
from assetmill.compare.rows import between, rows_of, totals
from assetmill.compare.summary import verdicts
from assetmill.compare.values import Comparison, Pair, Shot
from assetmill.errors import UsageError
from assetmill.ledger import Vote
from assetmill.reports.inlined import csp_source, inline_script, resource, script_json

UP = "../../../"
"""From packs/<game>/gallery/ to the top of the store."""

SCRIPTS = ("comparison_stage.js", "comparison_votes.js", "comparison.js")
_HREF = re.compile(r"(?!/)(?!.*//)[A-Za-z0-9._/-]+|data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+")
_CONNECT = {True: "'self'", False: "'none'"}


def beside_the_gallery(key: str) -> str:
    """Address of a picture, from where the page is stored."""
    return UP + key


def render(
    comparison: Comparison,
    votes: Iterable[Vote],
    *,
    href: Callable[[str], str] = beside_the_gallery,
    served: bool = False,
) -> str:
    """The page.

    Args:
        comparison: what is shown.
        votes: what was said of it so far.
        href: address of a picture by its key: a relative one, or the picture itself as a data address.
        served: whether a program is there that takes votes; else the page keeps them, and saves them as a file.

    Raises:
        UsageError: a picture's address is of no such kind.
    """
    said = list(votes)
    script, style = inline_script(SCRIPTS), resource("comparison.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    html = environment.from_string(resource("comparison.html.j2")).render(
        comparison=comparison,
        totals=list(zip(comparison.sides, totals(comparison), strict=True)),
        types=list(dict.fromkeys(pair.type for pair in comparison.pairs)),
        policy=policy_text(comparison, verdicts(comparison, said)),
        served=served,
        data=script_json(_data(comparison, said, href, served=served)),
        script=script,
        style=style,
        script_source=csp_source(script),
        style_source=csp_source(style),
        connect=_CONNECT[served],
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def vote_json(vote: Vote) -> dict[str, Any]:
    """A vote as pages and files have it."""
    return {
        "asset": vote.asset_id, "candidate": vote.candidate, "voter": vote.voter, "choice": vote.choice,
        "note": vote.note, "voted_at": vote.voted_at.isoformat(),
    }  # fmt: skip


def _data(
    comparison: Comparison, votes: Iterable[Vote], href: Callable[[str], str], *, served: bool
) -> Mapping[str, Any]:
    return {
        "id": comparison.id,
        "game": comparison.game,
        "served": served,
        "sides": [side.name for side in comparison.sides],
        "pairs": [_pair(comparison, pair, href) for pair in comparison.pairs],
        "votes": [vote_json(vote) for vote in votes],
    }


def _pair(comparison: Comparison, pair: Pair, href: Callable[[str], str]) -> Mapping[str, Any]:
    return {
        "asset": pair.asset,
        "candidate": pair.candidate,
        "type": pair.type,
        "prompt": pair.prompt,
        "size": f"{pair.width} x {pair.height}",
        "swapped": comparison.swapped(pair),
        "whole": pair.whole,
        "shots": [_shot(shot, href) for shot in pair.shots],
        "rows": [row.as_json() for row in rows_of(pair)],
        "between": [list(one) for one in between(pair)],
    }


def _shot(shot: Shot, href: Callable[[str], str]) -> Mapping[str, Any]:
    views = [
        {"label": view.label, "hrefs": [_checked(href(key)) for key in view.keys], "w": view.width, "h": view.height}
        for view in shot.views
    ]
    return {"state": shot.state, "why": shot.why, "notes": list(shot.notes), "views": views}


def _checked(address: str) -> str:
    if not _HREF.fullmatch(address):
        raise UsageError(f"a picture has the address {address[:100]!r}", hint="it has to be relative to the page")
    return address
