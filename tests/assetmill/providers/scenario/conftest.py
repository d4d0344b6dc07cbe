"""The local Scenario on a clock that moves only when somebody sleeps, and books that live in memory."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from assetmill.localpod.scenario import LocalScenario, ScenarioConfig, running_scenario
from assetmill.providers.base import Collected, InputImage, Job, JobRequest, Step
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.scenario import ScenarioProvider
from assetmill.providers.scenario.pipelines import Pipeline, pipelines_of

NAME, SECRET = "made-up-name", "made-up-secret"
MODEL = "flux.1-dev"
SIDE = 64


@dataclass
class Book:
    """Steps of attempts, in memory."""

    rows: dict[str, dict[int, Step]] = field(default_factory=dict)
    notes: int = 0

    async def steps(self, attempt_id: str) -> tuple[Step, ...]:
        return tuple(step for _, step in sorted(self.rows.get(attempt_id, {}).items()))

    async def attempt_of(self, job_id: str) -> str | None:
        known = ((attempt_id, step) for attempt_id, rows in self.rows.items() for step in rows.values())
        return next((attempt_id for attempt_id, step in known if step.job_id == job_id), None)

    async def note(self, attempt_id: str, *steps: Step) -> None:
        self.notes += 1
        self.rows.setdefault(attempt_id, {}).update({step.number: step for step in steps})


@dataclass
class Desk:
    """An endpoint, the books, and providers that share both."""

    scenario: LocalScenario
    book: Book
    endpoint: Endpoint
    open: Callable[..., ScenarioProvider]

    def pipeline(self, name: str, model: str = MODEL) -> Pipeline:
        return next(one for one in pipelines_of(model) if one.name == name)

    def request(self, name: str, attempt_id: str = "a1", **values: Any) -> JobRequest:
        pipeline = self.pipeline(name, self.endpoint.model)
        bound = pipeline.bind({**offered(len(pipeline.outputs)), **values}, prefix=attempt_id, image="guide.png")
        images = (InputImage("guide.png", guide()),) if pipeline.needs_image else ()
        return JobRequest(attempt_id, bound.graph, bound.outputs, images)

    async def made(self, provider: ScenarioProvider, request: JobRequest) -> tuple[Job, Collected]:
        """Send a request and see it through."""
        job = await provider.wait(await provider.submit(request))
        return job, await provider.collect(job, request.outputs)

    async def states(self, attempt_id: str = "a1") -> list[tuple[str, str]]:
        return [(step.call, str(step.state)) for step in await self.book.steps(attempt_id)]


def offered(layers: int) -> dict[str, Any]:
    """Values of a picture, small enough to be drawn at once."""
    values: dict[str, Any] = {"prompt": "a red bird", "negative_prompt": "", "seed": 7, "denoise": 0.9}
    values |= {"width": SIDE, "height": SIDE}
    for index in range(layers):
        values |= {f"layer_{index}_prompt": f"row {index} of hills", f"layer_{index}_seed": index}
    return values


def guide() -> bytes:
    out = BytesIO()
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    picture.paste((200, 40, 40), (12, 12, SIDE - 12, SIDE - 12))
    picture.save(out, "PNG")
    return out.getvalue()


@cache
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@pytest.fixture(autouse=True)
def _one_tls_context(monkeypatch):
    """Nothing here speaks TLS, and a context for every client would take most of these tests' time."""
    context = tls()
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: context)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
async def desk(time, book) -> AsyncIterator[Callable[..., Any]]:
    """Start a local Scenario with some configuration; one a test."""
    async with AsyncExitStack() as stack:

        async def start(model: str = MODEL, *, most: int = 4, **config: Any) -> Desk:
            settings = ScenarioConfig(api_key=NAME, secret=SECRET, **config)
            scenario = await stack.enter_async_context(running_scenario(settings, time.clock()))
            endpoint = Endpoint(
                "scenario", "scenario", f"scenario+{scenario.url}", SecretStr(NAME), model, most, None, "",
                secret=SecretStr(SECRET),
            )  # fmt: skip

            def opened(books: Any = book, **options: Any) -> ScenarioProvider:
                settings: Mapping[str, Any] = {"window": 8, "stall_s": 900.0, **options}
                provider = ScenarioProvider(replace(endpoint), time.clock(), books, **settings)
                stack.push_async_callback(provider.aclose)
                return provider

            return Desk(scenario, book, endpoint, opened)

        yield start
