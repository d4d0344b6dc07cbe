"""Details that are too long for a record: what is wrong with a file, or what a plan says of each picture.

Documents named by their bytes, so that a record and its pages always speak of the same one. The errors are the very
ones of the command line, each with the line that it is about and where on it the trouble is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from assetmill.manifest import Problem
from assetmill.planning.choices import Choice, gpu_words
from assetmill.planning.plan import Plan, PlanItem, State
from assetmill.submissions.excerpts import Excerpts
from assetmill.submissions.gate import expected_cost

MAX_ITEMS = 2000  # a page of more helps nobody


def errors_document(name: str, problems: Iterable[Problem], data: bytes) -> bytes:
    """What is wrong with a file, as JSON.

    `problems` are [{file, line, column, path, message, expected, nearest, column_name, excerpt}]; an excerpt is
    {before, marked, after, cut} of the line, or null where there is none.
    """
    excerpts = Excerpts(name, data)
    rows = [asdict(problem) | {"excerpt": _excerpt(excerpts, problem)} for problem in problems]
    return _json({"file": name, "problems": rows})


def foreign_document(name: str, why: str) -> bytes:
    """The same for a file that is no manifest, and was not read."""
    return errors_document(name, [Problem(name, 1, 1, "", why)], b"")


def plan_document(plan: Plan, limit: Decimal) -> bytes:
    """What a plan says of each picture, as JSON; `limit` is what needs no approval, US dollars."""
    low, estimate, high = expected_cost(plan)
    items = [item for item in plan.items if item.state is not State.CACHED or item.refinish]
    return _json(
        {
            "limit_usd": limit,
            "cost_usd": {"low": low, "estimate": estimate, "high": high},
            "elapsed_s": asdict(plan.total.elapsed),
            "workers": plan.total.workers,
            "choices": [_choice(choice) for choice in plan.total.choices],
            "items": [_item(item) for item in items[:MAX_ITEMS]],
            "more": max(len(items) - MAX_ITEMS, 0),
        }
    )


def _choice(choice: Choice) -> dict[str, Any]:
    """One way to have it made."""
    cost = choice.cost
    return {
        "workers": choice.workers,
        "gpu": gpu_words(choice),
        "seconds": choice.elapsed.estimate,
        "cost_usd": {"low": cost.low, "estimate": cost.estimate, "high": cost.high},
        "times_from": choice.times_from,
        "planned": choice.planned,
        "above": choice.above,
    }


def _item(item: PlanItem) -> dict[str, Any]:
    """One picture that is not simply there."""
    asked = item.state.paid or item.state is State.OPEN
    return {
        "asset": item.asset.id,
        "type": item.asset.type,
        "candidate": item.candidate,
        "state": "finished again" if item.refinish else str(item.state),
        "why": item.reason or ("changed: " + ", ".join(item.changed) if item.changed else ""),
        "prompt": item.asset.prompt,
        "cost_usd": item.cost.estimate if asked else None,
        "asked": asked,
        "seconds": item.seconds.estimate if asked else None,
    }


def _excerpt(excerpts: Excerpts, problem: Problem) -> dict[str, Any] | None:
    found = excerpts.of(problem)
    return asdict(found) if found else None


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1, default=str).encode("utf-8", "replace")
