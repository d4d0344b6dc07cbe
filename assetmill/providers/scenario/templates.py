"""Bodies of Scenario's calls with placeholders, and how values are put into them.

Classic models take the same fields at `/generate/txt2img` and `/generate/img2img`; models whose id begins with
`model_` have inputs of their own and answer at `/generate/custom/{id}`. Names and ranges: Scenario's API reference
(2026-01) and its catalogue of models. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from assetmill.errors import WorkflowError
from assetmill.providers.scenario.families import LAYERED_MODEL, family_of, is_custom

PARAMETER = "$parameter"
STEP = "$step"
IMAGE = "image"
OPTIONAL = frozenset({"negative_prompt"})
LEAST_STRENGTH = 0.01
MAX_CUSTOM_SEED = 2**31
"""Custom models take seeds below this; classic ones take text."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pipeline.

    Args:
        kind: what it does, as prices name it.
        call: what is called, as the API names it: `upload`, `txt2img`, `img2img`, `remove-background`, `custom`.
        body: its body; of `custom` with the model's id as `modelId`.
        roles: outputs that its assets are, in their order.
        paid: whether it may cost anything.
    """

    kind: str
    call: str
    body: Mapping[str, Any]
    roles: tuple[str, ...] = ()
    paid: bool = True

    def __hash__(self) -> int:
        return hash((self.kind, self.call, self.roles, self.paid, tuple(self.body)))


def upload() -> Call:
    """The picture that the request carries becomes an asset."""
    return Call("upload", "upload", _fixed({"name": _value(IMAGE)}), paid=False)


def txt2img(model: str, *, prompt: str = "prompt", seed: str = "seed", roles: tuple[str, ...] = ()) -> Call:
    """A picture from words.

    Args:
        model: Scenario's id of it.
        prompt: name of the parameter that holds the words.
        seed: name of the parameter that holds the seed.
        roles: outputs that it is.
    """
    return Call("txt2img", "custom" if is_custom(model) else "txt2img", _drawing(model, prompt, seed), roles)


def redraw(model: str, source: int, roles: tuple[str, ...] = ()) -> Call:
    """A picture from words and the asset of step `source`; of that, `strength` is drawn anew."""
    body = {**_drawing(model, "prompt", "seed"), "image": {STEP: source}, "strength": _value("denoise", "strength")}
    return Call("img2img", "custom" if is_custom(model) else "img2img", _fixed(body), roles)


def cut_out(source: int, roles: tuple[str, ...]) -> Call:
    """The subject of step `source` without its background."""
    return Call("remove-background", "remove-background", _fixed({"image": {STEP: source}, "format": "png"}), roles)


def layered(source: int, roles: tuple[str, ...]) -> Call:
    """The picture of step `source` taken apart into as many layers as there are roles, the farthest first."""
    body = {
        "modelId": LAYERED_MODEL,
        "image": {STEP: source},
        "layersCount": len(roles),
        "description": _value("prompt"),
        "seed": _value("seed", "small seed"),
    }
    return Call("layered", "custom", _fixed(body), roles)


def filled(body: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A body with its values; a field whose value is empty or was not offered is left out.

    Raises:
        WorkflowError: a value is none that can be sent.
    """
    made = {name: _filled(value, values) for name, value in body.items()}
    return {name: value for name, value in made.items() if value not in (None, "")}


def _drawing(model: str, prompt: str, seed: str) -> Mapping[str, Any]:
    size = {"width": _value("width"), "height": _value("height")}
    if is_custom(model):
        return _fixed({"modelId": model, "prompt": _value(prompt), **size, "seed": _value(seed, "small seed")})
    family = family_of(model)
    body: dict[str, Any] = {"modelId": model, "prompt": _value(prompt)}
    if family.negative:
        body["negativePrompt"] = _value("negative_prompt")
    body |= {"numSamples": 1, **size, "seed": _value(seed, "text")}
    if family.guidance is not None:
        body["guidance"] = family.clamped(family.guidance)
    if family.steps is not None:
        body["numInferenceSteps"] = family.steps
    return _fixed(body)


def _value(name: str, spelling: str = "") -> dict[str, str]:
    return {PARAMETER: name, "as": spelling} if spelling else {PARAMETER: name}


def _fixed(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(body))


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping) or PARAMETER not in value:
        return value
    name, spelling = value[PARAMETER], value.get("as", "")
    given = values.get(name)
    if given is None:
        return None
    try:
        return _SPELLINGS[spelling](given)
    except (TypeError, ValueError):
        raise WorkflowError(f"{name} of a Scenario pipeline cannot be {given!r}") from None


_SPELLINGS: Mapping[str, Callable[[Any], Any]] = {
    "": lambda given: given,
    "text": str,
    "small seed": lambda given: int(given) % MAX_CUSTOM_SEED,
    "strength": lambda given: max(LEAST_STRENGTH, float(given)),
}
