"""Bodies for custom models, in the names that the model itself gives to its inputs.

Scenario's newer models take inputs of their own, and `GET /models/{id}` lists them. Our bodies use the names of the
classic calls; here they become the model's. What only makes a picture repeatable is left out where a model has no
input for it; everything else that it cannot take is refused before anything is paid.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from assetmill.errors import RequestRejected

OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "image": ("images", "referenceImages"),
    "layersCount": ("numLayers",),
})  # fmt: skip
"""Ours -> what models call the same, as Scenario's catalogue shows."""

DISPENSABLE = frozenset({"seed", "description"})
SIDES = frozenset({"width", "height"})
RATIO = "aspectRatio"


class Fitter:
    """Fits bodies to custom models, asking for each model once.

    Args:
        model: gives a model's description by its id.
    """

    def __init__(self, model: Callable[[str], Awaitable[Mapping[str, Any]]]) -> None:
        self._model = model
        self._inputs: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    async def fit(self, call: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A body as the model of the call takes it; those of classic calls stay as they are.

        Raises:
            RequestRejected: the model cannot take something of it.
            UnknownHereError, NotDelivered, Throttled, ProviderRefused: the model cannot be asked for.
        """
        if call != "custom":
            return body
        model_id = str(body["modelId"])
        if model_id not in self._inputs:
            self._inputs[model_id] = inputs_of(await self._model(model_id))
        return fitted(body, self._inputs[model_id])


def inputs_of(model: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Inputs of a model by name; none where it does not list any."""
    listed = model.get("inputs")
    entries = listed if isinstance(listed, list) else []
    return {str(one["name"]): one for one in entries if isinstance(one, Mapping) and isinstance(one.get("name"), str)}


def fitted(body: Mapping[str, Any], inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A body in the names of a model's inputs; with no inputs known it stays as it is.

    Raises:
        RequestRejected: the model cannot take something of it.
    """
    if not inputs:
        return dict(body)
    made: dict[str, Any] = {"modelId": body["modelId"]}
    for name, value in body.items():
        if name == "modelId":
            continue
        taken = next((one for one in (name, *OTHER_NAMES.get(name, ())) if one in inputs), None)
        if taken is not None:
            made[taken] = [value] if str(inputs[taken].get("type", "")).endswith("_array") else value
        elif name in SIDES and RATIO in inputs:
            made[RATIO] = _ratio(body, inputs[RATIO])
        elif name not in DISPENSABLE:
            raise RequestRejected(
                f"model {body['modelId']} takes no {name}; it takes {', '.join(sorted(inputs))}",
                hint="choose another SCENARIO_MODEL",
            )
    return made


def _ratio(body: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    """The aspect ratio nearest to the size that is asked for, of those that the model allows."""
    width, height = int(body["width"]), int(body["height"])
    allowed = described.get("allowedValues")
    known = [text for text in allowed if _quotient(text)] if isinstance(allowed, list) else []
    if not known:
        divisor = math.gcd(width, height)
        return f"{width // divisor}:{height // divisor}"
    return min(map(str, known), key=lambda text: abs(math.log((_quotient(text) or 1.0) * height / width)))


def _quotient(text: Any) -> float | None:
    """Width through height of an aspect ratio such as 16:9; None where it is none."""
    parts = text.split(":") if isinstance(text, str) else []
    sound = len(parts) == 2 and all(part.isascii() and part.isdigit() and int(part) for part in parts)  # noqa: PLR2004  a pair
    return int(parts[0]) / int(parts[1]) if sound else None
