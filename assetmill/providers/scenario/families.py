"""What the kinds of Scenario's models take, told by their ids, because a plan asks no network.

A model whose kind nobody knows gets none of the values below: Scenario's own defaults then hold. Sources: Scenario's
API reference for guidance (flux.1-dev 3.5 of 0 to 10, flux pro 3 of 2 to 5, SDXL 6 of 0 to 20, SD 1.5 7.5), steps and
negative prompts (none for flux), read 2026-01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CUSTOM_PREFIX = "model_"
LAYERED_MODEL = "model_qwen-image-layered"


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model.

    Args:
        guidance: what it is asked with, within what it takes; None leaves it to Scenario.
        lowest: least guidance that it takes.
        highest: greatest guidance that it takes.
        steps: denoising steps; None leaves them to Scenario.
        negative: whether it takes a negative prompt.
    """

    guidance: float | None = None
    lowest: float = 0.0
    highest: float = 20.0
    steps: int | None = None
    negative: bool = True

    def clamped(self, guidance: float) -> float:
        """The nearest guidance that it takes: Scenario refuses any other."""
        return min(self.highest, max(self.lowest, guidance))


_FAMILIES = (
    (re.compile(r"flux.*schnell"), Family(negative=False)),
    (re.compile(r"flux.*pro"), Family(guidance=3.0, lowest=2.0, highest=5.0, negative=False)),
    (re.compile(r"flux"), Family(guidance=3.5, lowest=0.0, highest=10.0, steps=28, negative=False)),
    (re.compile(r"sdxl|stable-diffusion-xl"), Family(guidance=6.0, steps=30)),
    (re.compile(r"sd-?1[.-]?5|stable-diffusion-v?1"), Family(guidance=7.5, steps=30)),
)
_UNKNOWN = Family()


def family_of(model: str) -> Family:
    """Kind of a model, by its id."""
    return next((family for pattern, family in _FAMILIES if pattern.search(model.lower())), _UNKNOWN)


def is_custom(model: str) -> bool:
    """Whether a model has inputs of its own, and answers at `/generate/custom/{id}` alone."""
    return model.startswith(CUSTOM_PREFIX)
