"""What `endpoint` says: a plan, what was done, how the endpoint stands; as text and as plain values for `--json`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import many
from assetmill.money import usd
from assetmill.provisioning.apply import Applied
from assetmill.provisioning.plan import Change, EndpointPlan
from assetmill.provisioning.standing import Standing
from assetmill.settings import Settings

__all__ = [
    "Standing",
    "applied_document",
    "plan_document",
    "print_applied",
    "print_plan",
    "print_standing",
    "standing_document",
]
VARIABLE = "RUNPOD_COMFYUI_ENDPOINT_ID"


def print_plan(plan: EndpointPlan, console: Console) -> None:
    """What would be done, field by field, by what it causes."""
    name = f"[bold]{escape(plan.spec.name)}[/]"
    if not plan.changes:
        console.print(f"{name} ({plan.endpoint_id}) is as the file says")
    elif plan.endpoint_id is None:
        console.print(f"{name} is not there and would be made:")
    else:
        console.print(f"{name} ({plan.endpoint_id}) would be changed:")
    for effect in dict.fromkeys(change.effect for change in plan.changes):
        if plan.endpoint_id is not None:
            console.print(f"  [dim]{effect.value}[/]")
        for change in plan.changes:
            if change.effect is effect:
                console.print(f"    {_line(change)}")
    for line in _costs(plan):
        console.print(f"  {escape(line)}")
    for note in plan.notes:
        console.print(f"  [yellow]{escape(note)}[/]")


def plan_document(plan: EndpointPlan) -> dict[str, Any]:
    """A plan as plain values; amounts as text, null where nobody knows a price."""
    low, high = plan.usd_per_s
    return {
        "name": plan.spec.name,
        "endpoint_id": plan.endpoint_id,
        "changes": [
            {"field": one.field, "old": one.old, "new": one.new, "effect": one.effect.name.lower(), "note": one.note}
            for one in plan.changes
        ],
        "usd_per_s": {"low": _text(low), "high": _text(high)},
        "most_usd_per_hour": _text(plan.most_usd_per_hour),
        "notes": list(plan.notes),
    }


def print_applied(done: Applied, settings: Settings, console: Console) -> None:
    """What was done, and the line for .env."""
    name = f"{escape(done.name)} ({done.endpoint_id})"
    if done.made:
        console.print(f"made {name}")
        if done.found_again:
            console.print("  RunPod's answer was lost; the endpoint was found by its name, and no second one was made")
    elif done.changed:
        console.print(f"changed {name}: {', '.join(map(escape, done.changed))}")
    else:
        console.print(f"nothing to do for {name}")
    if done.endpoint_id not in (settings.runpod_endpoint_id, settings.runpod_custom_endpoint_id):
        console.print(f"put it into .env: {VARIABLE}={done.endpoint_id}")


def applied_document(done: Applied, plan: EndpointPlan) -> dict[str, Any]:
    """What was done, as plain values; `plan` is what it was done for."""
    return {
        "endpoint_id": done.endpoint_id,
        "name": done.name,
        "made": done.made,
        "changed": list(done.changed),
        "found_again": done.found_again,
        "environment": {VARIABLE: done.endpoint_id},
        "plan": plan_document(plan),
    }


def print_standing(found: Standing, console: Console) -> None:
    """How it stands."""
    console.print(f"[bold]{escape(found.plan.spec.name)}[/] ({found.endpoint_id})")
    told = [f"{number} {state}" for state, number in found.workers.items() if number]
    gpus = f" on {', '.join(found.gpus)}" if found.gpus else ""
    most = "unknown" if found.max_workers is None else found.max_workers
    console.print(f"  workers: {', '.join(told) or 'none'}{escape(gpus)}; at most {most}")
    if found.max_workers == 0:
        console.print("  [yellow]no job is begun: `assetmill endpoint scale file` raises max workers again[/]")
    if found.release is not None:
        at = f" of {found.release.at:%Y-%m-%d %H:%M}" if found.release.at else ""
        rolling = ", still rolling out" if found.release.rolling_out else ""
        console.print(f"  release: {found.release.version or '?'}{at}{rolling}")
    if found.run_url:
        console.print(f"  jobs: {escape(found.run_url)}")
    print_plan(found.plan, console)


def standing_document(found: Standing) -> dict[str, Any]:
    """The same as plain values."""
    release = found.release
    return {
        "endpoint_id": found.endpoint_id,
        "run_url": found.run_url,
        "workers": dict(found.workers),
        "max_workers": found.max_workers,
        "min_workers": found.min_workers,
        "gpus": list(found.gpus),
        "release": release and {"version": release.version, "at": release.at, "rolling_out": release.rolling_out},
        "plan": plan_document(found.plan),
    }


def _line(change: Change) -> str:
    name = escape(change.field)
    old, new = (None if one is None else escape(one) for one in (change.old, change.new))
    if old is None:
        words = f"[green]+ {name}[/]: {new}"
    elif new is None:
        words = f"[red]- {name}[/]: {old}"
    else:
        words = f"[yellow]~ {name}[/]: {old} -> {new}"
    return words + (f"  [dim]({escape(change.note)})[/]" if change.note else "")


def _costs(plan: EndpointPlan) -> list[str]:
    """Price of a second, and the most that an hour and a day may cost."""
    low, high = plan.usd_per_s
    unknown = [price.pool or "?" for price in plan.prices if price.usd_per_s is None]
    if low is None:
        return ["a second of a worker: nobody has published the price"]
    span = f"${_text(low)}" if low == high else f"from ${_text(low)}"
    span += f" to ${_text(high)}" if high is not None and high != low else ""
    span += f"; {', '.join(unknown)}: not published" if unknown else ""
    lines = [f"a second of a worker: {span} (list price, {plan.prices[0].cited})"]
    most = plan.most_usd_per_hour
    workers = many(plan.spec.workers.max, "worker")
    lines.append(f"an hour at most, {workers} at work without a pause: {usd(most)}")
    if plan.spec.workers.min:
        lines.append(f"a day without a single job: up to {usd(plan.always_usd_per_day)}")
    return lines


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"
