"""Who makes what, in words: for everybody who shows a plan."""

from __future__ import annotations

from collections import Counter

from assetmill.planning.plan import Plan, State


def chains(plan: Plan) -> list[str]:
    """Who makes which types, and who takes over; nothing where one endpoint makes everything."""
    if len(plan.routes.endpoints) == 1:
        return []
    types: dict[str, list[str]] = {}
    for name, chain in plan.routes.by_type.items():
        types.setdefault(", then ".join(one.name for one in chain), []).append(name)
    lines = [f"{', '.join(names)}: {words}" for words, names in types.items()]
    return lines + [f"assets that name {name}: it alone" for name in plan.routes.by_name]


def stand_ins(plan: Plan) -> list[str]:
    """Who makes pictures in whose place, and why; each reason once."""
    moved: Counter[tuple[str, str, str]] = Counter()
    for item in plan.items:
        if item.instead_of and item.road and item.state is not State.CACHED:
            moved[item.road.endpoint.name, item.instead_of, item.instead_why] += 1
    return [
        f"{count} picture{'' if count == 1 else 's'} by {by}, in place of {first}: {why}"
        for (by, first, why), count in moved.items()
    ]
