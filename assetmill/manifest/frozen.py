"""What every part of a resolved manifest is made from: frozen, and strict about its fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and no field that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")
