"""Reads the bodies of calls that make pictures: every wrong field is named, and nothing unknown is let through.

An order is what remains: what is to be made, of what, and what it costs. It draws nothing and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from assetmill.localpod.scenario.models import Does, Input, Model
from assetmill.localpod.scenario.prices import Prices
from assetmill.localpod.scenario.refusal import Refusal, bad_request, forbidden, not_found

_SIDE: Final = (64, 2048)  # px; Scenario's own bounds and step of classic models
USUAL_SIDE: Final = 1024
USUAL_STRENGTH: Final = 0.75
USUAL_SAMPLES: Final = 4  # Scenario's own: a call that does not say how many makes four, and is charged for four

_CLASSIC: Final = (
    Input("modelId", required=True),
    Input("prompt", required=True, least=1, most=4096),
    Input("numSamples", "number", least=1, most=128, step=1, default=USUAL_SAMPLES),
    Input("width", "number", least=_SIDE[0], most=_SIDE[1], step=8),
    Input("height", "number", least=_SIDE[0], most=_SIDE[1], step=8),
    Input("guidance", "number"),
    Input("numInferenceSteps", "number", least=1, most=150, step=1, default=30),
    Input("seed"),
    Input("scheduler"),
    Input("negativePrompt", most=4096),
    Input("negativePromptStrength", "number", least=0, most=10),
    Input("aspectRatio"),
    Input("hideResults", "boolean"),
    Input("intermediateImages", "boolean"),
)
_FROM_IMAGE: Final = (
    Input("image", "file", required=True),
    Input("strength", "number", least=0.01, most=1, default=USUAL_STRENGTH),
)
_CUT_OUT: Final = (
    Input("image", "file", required=True),
    Input("format", allowed=("png", "jpg", "webp"), default="png"),
    Input("backgroundColor"),
    Input("returnImage", "boolean"),
    Input("originalAssets", "boolean"),
)
_INPUTS: Final[Mapping[Does, tuple[Input, ...]]] = {
    Does.TXT2IMG: _CLASSIC,
    Does.IMG2IMG: _CLASSIC + _FROM_IMAGE,
    Does.REMOVE_BACKGROUND: _CUT_OUT,
}


@dataclass(frozen=True, slots=True)
class Order:
    """What a call asks for.

    Args:
        call: its name: txt2img, img2img, remove-background or custom.
        does: what is made.
        model: id of the model; empty for background removal.
        body: the body as it was sent, but that a picture in it has become an asset.
        fields: the same with the usual values of what it does not say.
        count: pictures, or layers, that it makes.
        units: creative units that it costs.
        flux: the model is of the Flux family.
    """

    call: str
    does: Does
    model: str
    body: Mapping[str, Any]
    fields: Mapping[str, Any] = field(compare=False)
    count: int
    units: float
    flux: bool = False

    @property
    def prompt(self) -> str:
        """Its words; empty where none are taken."""
        return str(self.fields.get("prompt", ""))

    @property
    def image(self) -> str | None:
        """Id of the picture that it starts from, or a data URL."""
        references = self.fields.get("referenceImages") or (None,)
        image = self.fields.get("image", references[0])
        return None if image is None else str(image)

    @property
    def told(self) -> Mapping[str, Any]:
        """The body as jobs tell it: with the model, wherever that was named."""
        return {**self.body, "modelId": self.model} if self.model else self.body

    @property
    def action(self) -> str:
        """What its ceiling is named."""
        return "parallel-inferences" if self.does in (Does.TXT2IMG, Does.IMG2IMG) else "parallel-custom-jobs"

    @property
    def job_type(self) -> str:
        """In Scenario's words."""
        if self.call == "custom":
            return "custom"
        if self.does is Does.REMOVE_BACKGROUND:
            return "remove-background"
        return "flux" if self.flux else "inference"

    def of(self, asset_id: str) -> Order:
        """The same order with an asset in place of the picture that was sent along."""
        return replace(self, body={**self.body, "image": asset_id}, fields={**self.fields, "image": asset_id})


def read_classic(does: Does, body: Any, models: Mapping[str, Model], locked: frozenset[str], prices: Prices) -> Order:
    """The order of a call of `/generate/txt2img`, `/generate/img2img` or `/generate/remove-background`.

    Raises:
        Refusal: 400 with the fields that are wrong, 403 for a model that the plan lacks, 404 for one there is not.
    """
    fields = _checked(body, _INPUTS[does])
    if does is Does.REMOVE_BACKGROUND:
        return Order(does.value, does, "", body, fields, 1, prices.of(does))
    model = _model(str(fields["modelId"]), models, locked)
    if does not in model.does or model.custom:
        raise bad_request(f"model {model.id} cannot be used for {does}", modelId=f"is no model for {does}")
    _check_guidance(fields, model)
    count = int(fields["numSamples"])
    return Order(does.value, does, model.id, body, fields, count, prices.of(does, count), model.flux)


def read_custom(model_id: str, body: Any, models: Mapping[str, Model], locked: frozenset[str], prices: Prices) -> Order:
    """The order of a call of `/generate/custom/{model_id}`.

    Raises:
        Refusal: as above.
    """
    model = _model(model_id, models, locked)
    if not model.custom:
        raise bad_request(f"model {model.id} is no custom model")
    fields = _checked(body, model.inputs)
    does = _meant(model, fields)
    wanted = {Does.LAYERS: "layersCount", Does.EXTRACTION: "maxLayers"}.get(does, "numOutputs")
    count = int(fields.get(wanted) or 1)
    return Order("custom", does, model.id, body, fields, count, prices.of(does, count), model.flux)


def _meant(model: Model, fields: Mapping[str, Any]) -> Does:
    """What a custom model is asked for: one that takes words or a picture starts from a picture that is there."""
    if Does.IMG2IMG in model.does and (fields.get("image") or fields.get("referenceImages")):
        return Does.IMG2IMG
    return next(does for does in Does if does in model.does)


def _model(model_id: str, models: Mapping[str, Model], locked: frozenset[str]) -> Model:
    model = models.get(model_id)
    if model is None:
        raise not_found(f"model {model_id}")
    if model_id in locked:
        raise forbidden(f"Your plan does not include the model {model_id}")
    return model


def _checked(body: Any, inputs: tuple[Input, ...]) -> dict[str, Any]:
    """The body with its usual values filled in.

    Raises:
        Refusal: 400.
    """
    if not isinstance(body, dict):
        raise bad_request("the body is no JSON object")
    wrong = dict(_problems(body, inputs))
    if wrong:
        raise _wrong(wrong)
    usual = {one.name: one.default for one in inputs if one.default is not None}
    return usual | {name: value for name, value in body.items() if value is not None}


def _wrong(problems: Mapping[str, str]) -> Refusal:
    return bad_request("; ".join(f"{name} {problem}" for name, problem in problems.items()), **problems)


def _problems(body: Mapping[str, Any], inputs: tuple[Input, ...]) -> Iterator[tuple[str, str]]:
    known = {one.name for one in inputs}
    yield from ((str(name), "is not allowed") for name in body if name not in known)
    for one in inputs:
        value = body.get(one.name)
        problem = ("is required" if one.required else None) if value is None else _problem(one, value)
        if problem:
            yield one.name, problem
    seed = body.get("seed")
    if isinstance(seed, str) and not (seed.isascii() and seed.isdigit() and len(seed) <= 20):  # noqa: PLR2004 - 64 bits
        yield "seed", "must be a whole number, as text"


def _problem(one: Input, value: Any) -> str | None:
    if one.type == "boolean":
        return None if isinstance(value, bool) else "must be a boolean"
    if one.type == "number":
        return _number_problem(one, value)
    if one.type == "file_array":
        return _files_problem(one, value)
    return _text_problem(one, value) if isinstance(value, str) else "must be a string"


def _files_problem(one: Input, value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) and item.startswith("asset_") for item in value):
        return "must be a list of asset ids"
    return f"must have at most {one.most:g} of them" if one.most is not None and len(value) > one.most else None


def _text_problem(one: Input, value: str) -> str | None:
    if one.allowed and value not in one.allowed:
        return f"must be one of {', '.join(one.allowed)}"
    if one.least is not None and len(value) < one.least:
        return f"must have at least {one.least:g} characters"
    if one.most is not None and len(value) > one.most:
        return f"must have at most {one.most:g} characters"
    return None


def _number_problem(one: Input, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "must be a number"
    if one.least is not None and value < one.least:
        return f"must be at least {one.least:g}"
    if one.most is not None and value > one.most:
        return f"must be at most {one.most:g}"
    if one.step is not None and value % one.step:
        return f"must be a multiple of {one.step:g}"
    return None


def _check_guidance(fields: Mapping[str, Any], model: Model) -> None:
    guidance = fields.get("guidance")
    least, _, most = model.guidance
    if guidance is not None and not least <= guidance <= most:
        raise _wrong({"guidance": f"must be {least:g} to {most:g} for {model.id}"})
