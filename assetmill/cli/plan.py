"""`plan`: what a run would do, why, and what it would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.batch.prepare import Request, budget_outlook, plan_only
from assetmill.cli.outcome import many, print_json
from assetmill.clock import Clock
from assetmill.money import Cost, usd
from assetmill.planning.chains import chains, stand_ins
from assetmill.planning.choices import Choice, gpu_words
from assetmill.planning.plan import Plan, PlanItem, State
from assetmill.planning.pricing import added
from assetmill.planning.spans import Span
from assetmill.providers.endpoint import DRAFT, RUNPOD
from assetmill.settings import ScalePolicy, load_settings

MINUTE_S = 60
HOUR_S = 3600
LONG_S = 2 * HOUR_S
SHOWN = 40
COLOURS = {State.CACHED: "dim", State.NEW: "green", State.CHANGED: "yellow", State.OPEN: "cyan", State.BLOCKED: "red"}


def show_plan(request: Request, *, as_json: bool) -> int:
    """Print a plan; a blocked picture is no error here."""
    settings = load_settings()
    plan = plan_only(settings, request)
    budget = budget_outlook(settings, request, plan, Clock().now()).words
    if as_json:
        scaling = {"scale": request.scale or settings.scale}
        print_json(plan_document(plan) | {"budget": budget or None} | scaling)
    else:
        console = Console(highlight=False)
        print_plan(plan, console)
        if scaled := scale_words(plan, request.scale or settings.scale):
            console.print(scaled, soft_wrap=True)
        if budget:
            console.print(f"[yellow]{escape(budget)}[/]", soft_wrap=True)
    return 0


def print_plan(plan: Plan, console: Console) -> None:
    """The plan for a person: pictures that need something, totals, and what else could be done."""
    console.print(f"[bold]{escape(plan.pack.game.title)}[/] on {escape('; '.join(_makers(plan)))}")
    for line in chains(plan):
        console.print(escape(line), soft_wrap=True)
    due = [item for item in plan.items if item.state is not State.CACHED or item.refinish or item.rejected]
    if due:
        console.print(_table(due[:SHOWN]))
        if len(due) > SHOWN:
            console.print(f"... and {len(due) - SHOWN} more (--json lists all)")
    for line in stand_ins(plan):
        console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    console.print(totals_line(plan), soft_wrap=True)
    if plan.items and not due:
        console.print("nothing to generate: every picture is there")
    if plan.total.choices:
        console.print(_choices(plan))


def scale_words(plan: Plan, policy: ScalePolicy) -> str:
    """What the run would do to the most workers of its RunPod endpoints; empty where it would do nothing."""
    names = [one.name for one in plan.endpoints if one.kind == RUNPOD and not one.standing]
    if policy == "keep" or not names or not plan.total.jobs:
        return ""
    after = ", and set to 0 after the last one if nobody else has jobs there" if policy == "around" else ""
    return escape(f"max workers of {', '.join(names)}: raised to the endpoint file's before the first job{after}")


def _makers(plan: Plan) -> list[str]:
    """Each endpoint that may get a job, with the source of its price."""
    if plan.endpoint.kind == DRAFT:
        return ["local draft endpoint: placeholder art, free"]
    return [f"{one.name}, {one.price_source}" for one in plan.endpoints]


def totals_line(plan: Plan) -> str:
    """Counts, time and money in one or two lines."""
    counts = plan.counts()
    words = ", ".join(f"[{COLOURS[state]}]{counts[state]} {state}[/]" for state in State if counts[state])
    total = plan.total
    free = f", {len(plan.to_refinish)} finished again for free" if plan.to_refinish else ""
    if not total.jobs:
        return f"{words or 'no enabled asset is chosen'}{free}; nothing to pay"
    jobs = f"{many(total.jobs, 'job')} on {many(total.workers, 'worker')}"
    times = f"{duration_words(total.elapsed)}, {money_words(total.cost)} (times from {_sources(plan)})"
    parts = [f"{words}{free}", f"{jobs}: {times}"]
    if len(plan.by_endpoint) > 1:
        parts += [f"{name}: {many(one.jobs, 'job')}, {money_words(one.cost)}" for name, one in plan.by_endpoint.items()]
    heirs = [item.fallbacks[0].cost for item in plan.to_pay if item.fallbacks]
    if heirs:
        together = _range(added(heirs))
        parts.append(f"should the next in line take over all {len(heirs)} that it may: {together} for these")
    return "\n".join(parts)


def plan_document(plan: Plan) -> dict[str, Any]:
    """The object that `plan --json` prints; docs/cli.md describes it."""
    total = plan.total
    return {
        "game": plan.pack.game.id,
        "pack": plan.pack.pack.id,
        "endpoint": {
            "name": plan.endpoint.name,
            "kind": plan.endpoint.kind,
            "draft": plan.endpoint.draft,
            "model": plan.endpoint.model,
            "max_workers": plan.endpoint.max_workers,
            "usd_per_s": plan.endpoint.usd_per_s,
            "price_source": plan.endpoint.price_source,
        },
        "routes": {name: [one.name for one in chain] for name, chain in plan.routes.by_type.items()},
        "by_endpoint": {
            name: {"jobs": one.jobs, "elapsed_s": _span(one.elapsed), "cost_usd": _cost(one.cost)}
            for name, one in plan.by_endpoint.items()
        },
        "counts": {str(state): plan.counts()[state] for state in State},
        "items": [_item(item) for item in plan.items],
        "total": {
            "jobs": total.jobs,
            "workers": total.workers,
            "worker_s": _span(total.paid_seconds),
            "elapsed_s": _span(total.elapsed),
            "cost_usd": _cost(total.cost),
        },
        "choices": [_choice(choice) for choice in total.choices],
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "workers": choice.workers,
        "pool": choice.pool,
        "gpus": list(choice.gpus),
        "usd_per_s": choice.usd_per_s,
        "price_source": choice.price_source,
        "worker_s": _span(choice.paid),
        "elapsed_s": _span(choice.elapsed),
        "cost_usd": _cost(choice.cost),
        "sources": dict(choice.sources),
        "planned": choice.planned,
        "above_max_workers": choice.above,
    }


def _item(item: PlanItem) -> dict[str, Any]:
    return {
        "asset": item.asset.id,
        "type": item.asset.type,
        "candidate": item.candidate,
        "state": str(item.state),
        "reason": item.reason,
        "changed": list(item.changed),
        "refinish": item.refinish,
        "finish_changed": list(item.finish_changed),
        "rejected": item.rejected,
        "endpoint": item.road.endpoint.name if item.road else None,
        "fallbacks": [{"endpoint": road.endpoint.name, "cost_usd": _cost(road.cost)} for road in item.fallbacks],
        "instead_of": item.instead_of,
        "instead_why": item.instead_why or None,
        "workflow": item.made.workflow if item.made else None,
        "size": list(item.made.size) if item.made else None,
        "seed": item.made.seed if item.made else None,
        "fingerprint": item.made.fingerprint if item.made else None,
        "attempt_id": item.attempt_id,
        "seconds": _span(item.seconds) if item.state.paid else None,
        "time_source": item.time_source or None,
        "cost_usd": _cost(item.cost) if item.state.paid else None,
    }


def _table(items: list[PlanItem]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("picture", "plan", "why", "time", "cost"):
        number = column in ("time", "cost")
        table.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number)
    for item in items:
        colour = COLOURS[item.state]
        time = duration_words(item.seconds) if item.state.paid else ""
        cost = usd(item.cost.estimate) if item.state.paid else ""
        table.add_row(item.label, f"[{colour}]{item.state}[/]", escape(why(item)), time, cost)
    return table


def why(item: PlanItem) -> str:
    """The reason for a picture's state, in words."""
    moved = ""
    if item.instead_of and item.road and item.state is not State.CACHED:
        moved = f"by {item.road.endpoint.name}"
    return "; ".join(part for part in (_reason(item), moved) if part)


def _reason(item: PlanItem) -> str:
    if item.rejected:
        return f"rejected: {item.rejected}"
    if item.changed:
        return "; ".join(part for part in (", ".join(item.changed), item.reason) if part)
    if item.refinish:
        return "finished again: " + (", ".join(item.finish_changed) or "not finished yet")
    return item.reason


def _choices(plan: Plan) -> Table:
    """Time and money with other numbers of workers and on other GPUs; each source of a price is named once below."""
    choices = plan.total.choices
    marks = {source: str(n) for n, source in enumerate(dict.fromkeys(choice.price_source for choice in choices), 1)}
    table = Table(title="choices", caption=_notes(choices, marks), box=None, pad_edge=False, title_justify="left")
    table.caption_justify = "left"
    for column in ("workers", "GPU", "done in", "cost", "$/s", "times from"):
        table.add_column(column, justify="right" if column == "workers" else "left")
    for choice in choices:
        rate = f"{choice.usd_per_s if choice.usd_per_s is not None else 'unknown'} ({marks[choice.price_source]})"
        workers = f"{'*' if choice.above else ''}{choice.workers}"
        done_in = _seconds(choice.elapsed.estimate)
        cells = (workers, gpu_words(choice), done_in, _range(choice.cost), rate, choice.times_from)
        table.add_row(*(escape(cell) for cell in cells), style="bold" if choice.planned else "")
    return table


def _notes(choices: Sequence[Choice], marks: Mapping[str, str]) -> str:
    above = "* more workers than ASSETMILL_MAX_WORKERS; the endpoint has to allow them as well. "
    said = above if any(choice.above for choice in choices) else ""
    prices = "; ".join(f"({mark}) {source}" for source, mark in marks.items())
    return escape(f"bold: as configured. {said}docs/costs.md says what priors and speeds are. Prices: {prices}")


def _sources(plan: Plan) -> str:
    planned = next((choice for choice in plan.total.choices if choice.planned), None)
    return planned.times_from if planned else " and ".join(sorted({item.time_source for item in plan.to_pay}))


def duration_words(span: Span) -> str:
    """A time with its range: `40 s (20 s to 2 min)`."""
    return f"{_seconds(span.estimate)} ({_seconds(span.low)} to {_seconds(span.high)})"


def _seconds(value: float) -> str:
    if value < MINUTE_S:
        return f"{value:.1f} s"
    return f"{value / MINUTE_S:.1f} min" if value < LONG_S else f"{value / HOUR_S:.1f} h"


def money_words(cost: Cost) -> str:
    """A cost with its range, or that nobody knows it."""
    return "cost unknown (docs/costs.md says which setting gives a price)" if cost.estimate is None else _range(cost)


def _range(cost: Cost) -> str:
    if cost.estimate is None:
        return "unknown"
    return f"{usd(cost.estimate)} ({usd(cost.low)} to {usd(cost.high)})"


def _span(span: Span) -> dict[str, float]:
    return {"low": round(span.low, 3), "estimate": round(span.estimate, 3), "high": round(span.high, 3)}


def _cost(cost: Cost) -> dict[str, Decimal | None]:
    return {"low": cost.low, "estimate": cost.estimate, "high": cost.high}
