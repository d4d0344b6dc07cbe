"""What must hold after several machines have worked at one endpoint, and one of them has died.

The endpoint's own record is the truth; books, packs and Prefect are compared with it. The checks of rows, pictures,
receipts and money are those of the chaos runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from borrowed import CHECKS, Evidence, Ran, Truth, Verdict

from assetmill.errors import AssetmillError
from assetmill.images import decode
from assetmill.ledger import Ledger, Status
from assetmill.packs import load_latest
from assetmill.storage import Store

CHANNEL = "main"
PICTURES = (".png", ".webp", ".jpg")


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which jobs were waiting somewhere, in seconds of the endpoint's clock."""

    begins_s: float
    ends_s: float

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.ends_s - self.begins_s


def evidence_of(folder: Path, ledger_url: str, store: Store, truth: Truth) -> Evidence:
    """Books, store and truth, read."""
    with Ledger.open(ledger_url) as ledger:
        rows, finishes = ledger.rows(), [dict(row) for row in ledger.finish_rows()]
    return Evidence(folder, rows, finishes, truth, store, ledger_url, resend_unknown=1)


def violations(evidence: Evidence, games: Mapping[str, int]) -> list[str]:
    """All that is wrong, in words."""
    verdict = Verdict()
    open_rows = [row for row in evidence.rows if not Status(row["status"]).settled]
    found = [f"attempt {row['attempt_id']} is still {row['status']}" for row in open_rows]
    for check in CHECKS:
        found += [f"{check.__name__}: {words}" for words in check(evidence, verdict)]
    for game, assets in games.items():
        found += _whole(evidence.store, game, assets)
    return found


def _whole(store: Store, game: str, assets: int) -> Iterator[str]:
    """A published pack has every asset, and every file that its index names can be opened."""
    index = load_latest(store, game, CHANNEL)
    if index is None or len(index.assets) != assets:
        yield f"the pack of {game} has {len(index.assets) if index else 0} of {assets} assets"
        return
    for key in sorted(index.blobs()):
        try:
            data = store.get(key)
            if key.endswith(PICTURES):
                decode(data)
        except AssetmillError as error:
            yield f"{key} of {game}: {error}"


def busy_s(ran: Sequence[Ran], span: Span) -> float:
    """Seconds that workers were at jobs within a span, all workers together."""
    overlaps = (min(one.ended_s or span.ends_s, span.ends_s) - max(one.started_s, span.begins_s) for one in ran)
    return sum(max(0.0, seconds) for seconds in overlaps)


def waiting_spans(ran: Sequence[Ran], began_s: Sequence[float]) -> list[Span]:
    """Times in which there was still a job to begin: from the first to the last start since each of these moments.

    Args:
        ran: executions.
        began_s: when batches were started, the earliest first, in seconds of the endpoint's clock.
    """
    spans = []
    for number, since in enumerate(began_s):
        until = began_s[number + 1] if number + 1 < len(began_s) else float("inf")
        starts = [one.started_s for one in ran if since <= one.started_s < until]
        if len(starts) > 1:
            spans.append(Span(min(starts), max(starts)))
    return spans


def utilisation(ran: Sequence[Ran], spans: Sequence[Span], workers: int) -> float:
    """Part of the workers' time that went into jobs while more were waiting."""
    length_s = sum(span.length_s for span in spans)
    return sum(busy_s(ran, span) for span in spans) / (workers * length_s) if length_s else 1.0


def costs(rows: Sequence[Mapping[str, Any]]) -> float:
    """What the books say was spent."""
    return float(sum(row["cost_low_usd"] or 0 for row in rows))
