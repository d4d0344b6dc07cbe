"""From two plans and the books to pairs of pictures.

Both sides were planned after their runs, so every picture that is there is `cached` and says which attempt holds it.
Money and times are read off the ledger's rows as they are; nothing is worked out anew, and nothing is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from assetmill.batch.report import Line
from assetmill.compare.values import Figures, LeftOut, Pair, Shot, View
from assetmill.ledger import Details, Finish, Ledger, Output, RowFilter
from assetmill.manifest.models import DEPTH_LAYERS, Parallax
from assetmill.manifest.parallax import WHOLE, is_layer
from assetmill.planning.plan import Plan, PlanItem, State
from assetmill.quality.wanted import target_size

COLUMNS = (
    "attempt_id", "fingerprint", "status", "seed", "workflow", "cost_estimate_usd", "latency_ms", "queue_ms",
    "execution_ms", "quality_score",
)  # fmt: skip
WHOLE_ROLES = ("image", WHOLE)
FREE_STATUSES = ("cancelled",)
"""Attempts that were withdrawn before anybody began: they cost nothing and were no try."""

FAULTS = ("failed", "lost", "rejected", "blocked")
"""What a run calls pictures that a provider could not make; what else is not there was not tried, or is still out."""

Failures = Mapping[tuple[str, int], Line]

SAME = "both sides have the very same picture: it is locked, or made from what does not tell them apart"


@dataclass(frozen=True)
class Books:
    """What the ledger has of one game, read once.

    Args:
        rows: attempts by id.
        tries: ids of the attempts at each fingerprint.
        finishes: by (attempt id, finish fingerprint).
        details: raw pictures by attempt id.
    """

    rows: Mapping[str, Mapping[str, Any]]
    tries: Mapping[str, tuple[str, ...]]
    finishes: Mapping[tuple[str, str], Finish]
    details: Mapping[str, Details]


def read_books(ledger: Ledger, game: str) -> Books:
    """Read them.

    Raises:
        LedgerError: the books are unavailable.
    """
    rows = {row["attempt_id"]: row for row in ledger.rows(RowFilter(game=game), COLUMNS)}
    tries: dict[str, list[str]] = defaultdict(list)
    for attempt_id, row in rows.items():
        if row["status"] not in FREE_STATUSES:
            tries[row["fingerprint"]].append(attempt_id)
    known = {fingerprint: tuple(ids) for fingerprint, ids in tries.items()}
    return Books(rows, known, ledger.finishes(game), ledger.details(game))


def pairs_of(
    plans: tuple[Plan, Plan], books: Books, failures: tuple[Failures, Failures]
) -> tuple[tuple[Pair, ...], tuple[LeftOut, ...]]:
    """Put the pictures of two plans of one manifest beside each other, in the manifest's order; nothing is measured.

    Args:
        plans: of both sides, made after their runs.
        books: of the game.
        failures: what each side's run said of pictures that are not there, by (asset id, candidate).
    """
    order = {asset.id: index for index, asset in enumerate(plans[0].pack.assets)}
    others = {item.key: item for item in plans[1].items}
    pairs, left_out = [], []
    for item in sorted(plans[0].items, key=lambda one: (order[one.asset.id], one.candidate)):
        both = (item, others[item.key])
        lines = (failures[0].get(item.key), failures[1].get(item.key))
        shots = (_shot(both[0], books, lines[0]), _shot(both[1], books, lines[1]))
        why = _untried(both, lines) or _why_not(*shots)
        if why:
            left_out.append(LeftOut(asset=item.asset.id, candidate=item.candidate, type=item.asset.type, why=why))
        else:
            pairs.append(_pair(item, shots))
    return tuple(pairs), tuple(left_out)


def main_raw(outputs: Mapping[str, Output]) -> Output:
    """The picture that an attempt is measured by: its image, the whole of a parallax, or the farthest layer."""
    roles = [role for role in (*WHOLE_ROLES, *layers_among(outputs)) if role in outputs]
    return outputs[roles[0] if roles else next(iter(outputs))]


def layers_among(files: Iterable[str]) -> tuple[str, ...]:
    """Roles of a parallax background's layers among some files, the farthest first."""
    order = {role: index for index, role in enumerate(DEPTH_LAYERS)}

    def depth(role: str) -> int:
        return order[role] if role in order else int(role.rpartition("_")[2])

    return tuple(sorted((role for role in files if is_layer(role)), key=depth))


def _pair(item: PlanItem, shots: tuple[Shot, Shot]) -> Pair:
    width, height = target_size(item.asset)
    return Pair(
        asset=item.asset.id,
        candidate=item.candidate,
        type=item.asset.type,
        prompt=item.asset.prompt,
        width=width,
        height=height,
        shots=shots,
    )


def _untried(items: tuple[PlanItem, PlanItem], lines: tuple[Line | None, Line | None]) -> str:
    """Why nobody can say yet what a side makes of it: it was not sent, or is still out."""
    for item, line in zip(items, lines, strict=True):
        known = item.state in (State.CACHED, State.BLOCKED) or (line is not None and line.state in FAULTS)
        if not known:
            return f"not made yet: {line.message if line and line.message else item.reason or 'not sent'}"
    return ""


def _why_not(first: Shot, second: Shot) -> str:
    if not first.there and not second.there:
        return f"neither side has it: {first.why}" + (f"; {second.why}" if second.why != first.why else "")
    return SAME if first.attempt_id is not None and first.attempt_id == second.attempt_id else ""


def _shot(item: PlanItem, books: Books, line: Line | None) -> Shot:
    finish = books.finishes.get((item.attempt_id or "", item.finish_fingerprint))
    row = books.rows.get(item.attempt_id or "")
    if item.state is not State.CACHED or finish is None or row is None or item.attempt_id is None:
        return _missing(item, books, line)
    raws = books.details[item.attempt_id].outputs if item.attempt_id in books.details else {}
    tries, spent = _spent(books, str(row["fingerprint"]))
    return Shot(
        state="rejected" if finish.rejected else "kept",
        why=finish.rejected or "",
        attempt_id=item.attempt_id,
        seed=row["seed"],
        workflow=row["workflow"],
        views=_views(item, finish, raws),
        cost_usd=row["cost_estimate_usd"],
        spent_usd=spent,
        tries=tries,
        latency_ms=row["latency_ms"],
        queue_ms=row["queue_ms"],
        execution_ms=row["execution_ms"],
        score=finish.score,
        notes=tuple(finish.quality.get("notes", ())),
        figures=Figures(),
    )


def _missing(item: PlanItem, books: Books, line: Line | None) -> Shot:
    """A picture that is not there has cost something all the same, if it was tried; without a way to it, it was not."""
    if item.made is None:
        return Shot(state="blocked", why=item.reason or "no way to it")
    tries, spent = _spent(books, item.made.fingerprint)
    why = (line.message if line else "") or item.reason or "not made"
    return Shot(state="missing", why=why, spent_usd=spent, tries=tries, seed=item.made.seed)


def _spent(books: Books, fingerprint: str) -> tuple[int, Decimal | None]:
    """How many attempts there were at a picture, and what they cost together; None if anything of it is unknown."""
    ids = books.tries.get(fingerprint, ())
    costs = [books.rows[attempt_id]["cost_estimate_usd"] for attempt_id in ids]
    return len(ids), None if None in costs else sum(costs, Decimal(0))


def _views(item: PlanItem, finish: Finish, raws: Mapping[str, Output]) -> tuple[View, ...]:
    files = {role: file for role, file in finish.by_role.items() if file.width}
    views = []
    layers = [files[role] for role in layers_among(files)] if isinstance(item.asset, Parallax) else []
    if layers:
        views.append(_view("layers together", *layers))
    main = next((files[role] for role in WHOLE_ROLES if role in files), None)
    if main is not None:
        views.append(_view("whole picture" if layers else "finished", main))
    views += [_view(f"layer {layer.role.removeprefix('layer_')}", layer) for layer in layers]
    if raws:
        views.append(_view("as it came", main_raw(raws)))
    return tuple(views)


def _view(label: str, *files: Output) -> View:
    return View(label=label, keys=tuple(file.key for file in files), width=files[0].width, height=files[0].height)
