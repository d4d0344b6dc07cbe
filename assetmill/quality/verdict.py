"""The verdict on a picture. A plain value without numpy, so that plans and reports can hold one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Quality:
    """What the checks say about one picture.

    Args:
        score: 0 (bad) to 1 (nothing to object to); it ranks the candidates of one asset and is no grade.
        notes: what a person should look at, one sentence each.
        rejected: why the picture must not be published; None when it may be.
    """

    score: float
    notes: tuple[str, ...] = ()
    rejected: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: `score`, `notes` and `rejected`."""
        return {"score": self.score, "notes": list(self.notes), "rejected": self.rejected}
