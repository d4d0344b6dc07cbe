"""What Scenario would charge for a pipeline, and whether it can run it at all: asked by dry runs, which cost nothing.

A dry run needs every picture that a call starts from, and in a pipeline those do not exist yet: a small grey one stands
in their place. What a dry run costs and refuses is what the call itself would.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.errors import AttemptError, RequestRejected, Throttled
from assetmill.providers.base import Ability, Step
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError, api_of
from assetmill.providers.scenario.chain import Chain
from assetmill.providers.scenario.inputs import Fitter
from assetmill.providers.scenario.pipelines import Pipeline
from assetmill.providers.scenario.refusals import CeilingReachedError
from assetmill.providers.scenario.templates import STEP

SIDE = 64
GREY = 128


async def units_of(api: ScenarioApi, chain: Chain) -> float | None:
    """Creative units that the paid steps of a pipeline would cost together; None where one of them does not say.

    Raises:
        RequestRejected, Throttled, ProviderRefused.
    """
    fitter, total = Fitter(api.model), 0.0
    for step in chain.steps:
        if step.paid:
            units = await _units(api, fitter, step)
            if units is None:
                return None
            total += units
    return total


async def abilities(
    endpoint: Endpoint, clock: Clock, pipelines: Iterable[Pipeline], secrets: Iterable[str] = ()
) -> tuple[Ability, ...]:
    """Whether an endpoint can run pipelines, and what each would cost; nothing is made and nothing is charged.

    Args:
        endpoint: a Scenario endpoint.
        clock: time.
        pipelines: those that are asked about.
        secrets: hidden in every answer, beside the endpoint's own keys.

    Returns:
        One for each pipeline, in their order; `able` is None where Scenario could not be asked.

    Raises:
        ProviderRefused: the keys are refused; nothing can be said of any pipeline.
    """
    async with httpx.AsyncClient(follow_redirects=False) as client:
        api = api_of(client, endpoint, clock, secrets)
        return tuple([await _ability(api, pipeline) for pipeline in pipelines])


async def _ability(api: ScenarioApi, pipeline: Pipeline) -> Ability:
    try:
        missing = [model for model in pipeline.models if not await _there(api, model)]
        if missing:
            why = f"this key has no model {', '.join(missing)}: choose another SCENARIO_MODEL, or another plan"
            return Ability(pipeline.name, able=False, why=why, missing=tuple(missing))
        units = await units_of(api, Chain.planned(_sample(pipeline)))
    except RequestRejected as error:
        return Ability(pipeline.name, able=False, why=error.message)
    except (AttemptError, UnknownHereError) as error:
        return Ability(pipeline.name, able=None, why=f"Scenario could not be asked: {error}")
    price = "at a price that Scenario does not tell" if units is None else f"for {units:g} creative units"
    return Ability(pipeline.name, able=True, why=f"it can be made, {price}", units=units)


async def _there(api: ScenarioApi, model: str) -> bool:
    try:
        await api.model(model)
    except (UnknownHereError, RequestRejected):  # there is none, or the plan lacks it
        return False
    return True


async def _units(api: ScenarioApi, fitter: Fitter, step: Step) -> float | None:
    body = {name: _stand_in(value) for name, value in step.body.items()}
    try:
        return await api.dry_run(step.call, await fitter.fit(step.call, body))
    except UnknownHereError:
        raise RequestRejected(f"Scenario knows no model {body.get('modelId')}", hint="check SCENARIO_MODEL") from None
    except CeilingReachedError as error:
        raise Throttled(f"Scenario is busy: {error}") from None


def _sample(pipeline: Pipeline) -> Mapping[str, Any]:
    """A bound pipeline as any picture might have it."""
    offered: dict[str, Any] = {"prompt": "a round grey stone", "negative_prompt": "", "seed": 1, "denoise": 0.9}
    offered |= {"width": 1024, "height": 1024}
    for index in range(len(pipeline.outputs)):
        offered |= {f"layer_{index}_prompt": "a row of round grey stones", f"layer_{index}_seed": index}
    return pipeline.bind(offered, prefix="probe", image="probe.png").graph


def _stand_in(value: Any) -> Any:
    return grey_picture() if isinstance(value, Mapping) and STEP in value else value


def grey_picture() -> str:
    """A small grey PNG as a data URL, made without a library for pictures."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([GREY]) * 3 * SIDE) * SIDE)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")
