"""The pages that an artist reads: what is wrong with a file, what will happen to it, what came of it.

One document each, without scripts, opened from a share or a bucket as often as from a web server: it loads nothing.
File names, prompts, notes and error texts are other people's words and never become markup. Rendering reads no clock:
the same record gives the same bytes, whoever writes the page.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from assetmill.money import usd
from assetmill.reports.inlined import csp_source
from assetmill.submissions.keys import page_key
from assetmill.submissions.records import Record, State

Link = Callable[[str], str | None]
SHOWN_ITEMS = 200
MINUTE_S = 60
HOUR_S = 3600

TONES: Mapping[State, str] = {
    State.INVALID: "bad",
    State.FAILED: "bad",
    State.REJECTED: "bad",
    State.EXPIRED: "bad",
    State.DONE_WITH_FAILURES: "warn",
    State.AWAITING_APPROVAL: "warn",
    State.DONE: "good",
}
HEADINGS: Mapping[State, str] = {
    State.RECEIVED: "Received",
    State.INVALID: "Needs mending",
    State.PLANNED: "Will run",
    State.AWAITING_APPROVAL: "Waits for approval",
    State.APPROVED: "Approved, will run",
    State.RUNNING: "Running",
    State.DONE: "Done",
    State.DONE_WITH_FAILURES: "Done, with some pictures missing",
    State.FAILED: "Failed",
    State.REJECTED: "Turned down",
    State.EXPIRED: "Expired",
    State.DUPLICATE: "Handed in before",
    State.SUPERSEDED: "A newer version counts",
}


def render(record: Record, paper: Mapping[str, Any], link: Link) -> bytes:
    """The page of a submission in its present state.

    Args:
        record: the submission.
        paper: details of its plan, or of what is wrong; empty for none.
        link: address of an object of the store, as this very page can follow it; None where there is none.
    """
    return _page(
        {
            "title": record.name,
            "subtitle": f"version {record.version}",
            "heading": HEADINGS[record.state],
            "tone": TONES.get(record.state, "calm"),
            "facts": _facts(record),
            "record": record,
            "state": str(record.state),
            "plan": record.plan,
            "paper": paper,
            "problems": paper.get("problems", []),
            "choices": paper.get("choices", []),
            "items": paper.get("items", [])[:SHOWN_ITEMS],
            "more": len(paper.get("items", [])[SHOWN_ITEMS:]) + int(paper.get("more", 0)),
            "other": _other(record, link),
            "gallery": _linked(record.outcome.gallery if record.outcome else None, link),
            "index": _linked(record.outcome.index if record.outcome else None, link),
            "approval": record.approval,
            "outcome": record.outcome,
        }
    )


def render_foreign(name: str, paper: Mapping[str, Any]) -> bytes:
    """The page of a file that is no manifest."""
    return _page(
        {
            "title": name, "subtitle": "", "heading": "Not a manifest", "tone": "bad", "facts": {}, "record": None,
            "state": "foreign", "plan": None, "paper": paper, "problems": paper["problems"], "choices": [], "items": [],
            "more": 0, "other": None, "gallery": None, "index": None, "approval": None, "outcome": None,
        }
    )  # fmt: skip


def errors_json(record: Record, paper: Mapping[str, Any]) -> bytes:
    """What is wrong with a file, for programs."""
    about = {"submission": record.id, "version": record.version, "sha256": record.sha256}
    return _json({"file": record.name, **about, "problems": paper.get("problems", [])})


def foreign_json(name: str, paper: Mapping[str, Any]) -> bytes:
    """The same for a file that is no manifest."""
    return _json({"file": name, "submission": None, "version": None, "sha256": None, "problems": paper["problems"]})


def _facts(record: Record) -> dict[str, str]:
    facts = {"handed in": _time(record.received_at)}
    facts |= {"by": record.by} if record.by else {}
    facts |= {"game": record.plan.game_title, "pack": record.plan.pack} if record.plan else {}
    facts |= {"made by": record.plan.endpoint} if record.plan else {}
    return facts


def _other(record: Record, link: Link) -> dict[str, str | None] | None:
    """The submission that this one points at."""
    return None if record.points_at is None else {"id": record.points_at, "href": link(page_key(record.points_at))}


def _linked(key: str | None, link: Link) -> dict[str, str | None] | None:
    return {"key": key, "href": link(key)} if key else None


def _page(view: Mapping[str, Any]) -> bytes:
    style = _resource("page.css")
    return _template().render(**view, style=style, style_source=csp_source(style)).encode("utf-8", "replace")


@cache
def _template() -> Template:
    """The page's template, compiled once: that takes longer than all else about a page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"usd": _usd, "time": _time, "duration": duration, "words": _words, "shell": shlex.quote}
    return environment.from_string(_resource("page.html.j2"))


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def _usd(amount: Decimal | str | None) -> str:
    return usd(None if amount is None else Decimal(amount))


def _words(text: object) -> str:
    return str(text).replace("_", " ")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """A duration for people: `42 s`, `12 min`, `2 h 05 min`."""
    if seconds < MINUTE_S:
        return f"{max(seconds, 1):.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    hours, minutes = divmod(round(seconds / MINUTE_S), MINUTE_S)
    return f"{hours} h {minutes:02d} min"
