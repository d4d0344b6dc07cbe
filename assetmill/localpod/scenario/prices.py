"""What calls cost in creative units: one table for dry runs, answers and bills.

Scenario publishes few prices and changes them; what a call really costs, its own dry run says. Nothing here knows
HTTP or money.
"""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.localpod.scenario.models import Does


@dataclass(frozen=True, slots=True)
class Prices:
    """Creative units per call.

    Args:
        txt2img: for each picture; about 5, by Scenario's own notes.
        img2img: for each picture; the same.
        remove_background: a call; its list price of $0.10 beside the $0.032 of a picture of 5 units makes 15.625.
        layers: a call that takes a picture apart into a given number of layers. Ours: half as much again as a
            picture, which is what a public price list of a game studio that uses it asks.
        extraction: each layer of the tool that takes as many layers as it finds. Ours.
    """

    txt2img: float = 5.0
    img2img: float = 5.0
    remove_background: float = 15.625
    layers: float = 7.5
    extraction: float = 7.5

    def of(self, does: Does, count: int = 1) -> float:
        """Units for one call.

        Args:
            does: what the call does.
            count: pictures, or layers, that it makes.
        """
        match does:
            case Does.TXT2IMG:
                return self.txt2img * count
            case Does.IMG2IMG:
                return self.img2img * count
            case Does.REMOVE_BACKGROUND:
                return self.remove_background
            case Does.LAYERS:
                return self.layers
            case Does.EXTRACTION:
                return self.extraction * count
