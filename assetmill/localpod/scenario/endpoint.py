"""Scenario's HTTP API: generation, jobs and models; files have a side of their own.

It exists so that a client, its tests and a designer without a key share one contract. It translates between HTTP
and the rooms beside it and decides nothing itself; listening is `server`'s work. It must never echo a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from assetmill.clock import Clock
from assetmill.localpod.exchange import reply
from assetmill.localpod.scenario import wire
from assetmill.localpod.scenario.config import ScenarioConfig
from assetmill.localpod.scenario.door import Door, Handler
from assetmill.localpod.scenario.faults import Fault, Kind, Luck
from assetmill.localpod.scenario.files import FileSide
from assetmill.localpod.scenario.listing import chosen, page
from assetmill.localpod.scenario.making import Maker
from assetmill.localpod.scenario.models import Does
from assetmill.localpod.scenario.orders import Order, read_classic, read_custom
from assetmill.localpod.scenario.painting import Studio
from assetmill.localpod.scenario.refusal import bad_request, not_found
from assetmill.localpod.scenario.shelf import Shelf
from assetmill.localpod.scenario.works import Job, Works

DRY_RUN: Final = 269
"""Scenario's own status for an answer that says what a call would cost."""

_CLASSIC: Final = (Does.TXT2IMG, Does.IMG2IMG, Does.REMOVE_BACKGROUND)


class LocalScenario:
    """A running endpoint. Made by `running_scenario`.

    Args:
        config: how it behaves.
        clock: time, sleep, chance and ids.
        port: the port that it listens on.
    """

    def __init__(self, config: ScenarioConfig, clock: Clock, port: int) -> None:
        self.config = config
        host = f"[{config.host}]" if ":" in config.host else config.host
        self._origin = f"http://{host}:{port}"
        self._clock = clock
        self._since = clock.now()
        self._luck = Luck(config.faults, by_prompt=config.faults_by_prompt)
        self._door = Door(config, clock, self._luck)
        self._shelf = Shelf(clock, config.url_lifetime_s)
        self._works = Works(config, clock, self._luck)
        self._files = FileSide(config, clock, self._origin, self._door, self._shelf, self._works, self._luck)
        self._maker = Maker(self._shelf, Studio(marked=config.placeholders), clock, drafts=config.placeholders)
        self._models = {model.id: model for model in config.models}

    @property
    def url(self) -> str:
        """Base address, up to `/v1`."""
        return f"{self._origin}{self.config.prefix}"

    def jobs(self) -> tuple[Job, ...]:
        """Every job that was taken, oldest first."""
        return self._works.all()

    def executions(self) -> Mapping[str, int]:
        """How many jobs were taken, by call: what a client that repeats nothing has as many of as it meant to."""
        return Counter(job.call for job in self._works.all())

    def calls(self) -> Mapping[str, int]:
        """How many requests came, by call, refused ones too."""
        return Counter(self._door.calls)

    def struck(self) -> Mapping[Kind, int]:
        """How often each fault has struck."""
        return self._luck.struck()

    @property
    def charged_units(self) -> float:
        """Creative units that were taken and not paid back."""
        return sum(job.units for job in self._works.all() if not job.refunded)

    @property
    def most_outstanding(self) -> int:
        """The most jobs that ever were out at the same time: what a client's window is compared with."""
        return self._works.most_outstanding

    def hold(self) -> None:
        """Let no job get beyond `in-progress` until `release`."""
        self._works.hold()

    def release(self) -> None:
        """Let them go on."""
        self._works.release()

    async def settled(self) -> None:
        """Return when no job is out."""
        await self._works.settled()

    def inject(self, fault: Fault) -> None:
        """One more fault, from now on."""
        self._luck.add(fault)

    def app(self) -> Starlette:
        """The HTTP side, as an ASGI application."""
        route = self._door.route
        return Starlette(
            routes=[
                *self._files.routes(),
                *(route(f"/generate/{does}", "POST", self._classic(does), does.value) for does in _CLASSIC),
                route("/generate/custom/{model_id}", "POST", self._custom, "custom"),
                route("/jobs", "GET", self._list_jobs, "jobs", self._words),
                route("/jobs/{job_id}", "GET", self._get_job, "job", self._words),
                route("/jobs/{job_id}/action", "POST", self._act_on_job, "cancel", self._words),
                route("/models", "GET", self._list_models, "models", self._words),
                route("/models/public", "GET", self._list_models, "models", self._words),
                route("/models/{model_id}", "GET", self._get_model, "model", self._words),
                route("/usages", "GET", self._usages, "usages", self._words),
            ],
            exception_handlers={HTTPException: _not_served, Exception: _not_served},
        )

    def listen(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Say where the server's open connections are found; faults that break them need to know."""
        self._door.lines.attach(connections)

    async def keep_time(self) -> None:
        """Nothing: jobs keep their own time."""

    async def aclose(self) -> None:
        """End all jobs."""
        self._door.lines.close()
        await self._works.aclose()

    def _words(self, request: Request) -> str:
        """The prompt that a call goes back to, where it is about a job."""
        job = self._works.get(request.path_params.get("job_id", ""))
        return "" if job is None else job.prompt

    def _classic(self, does: Does) -> Handler:
        async def generate(request: Request) -> Response:
            body = await self._door.json(request)
            return self._generated(
                request, read_classic(does, body, self._models, self.config.locked_models, self.config.prices)
            )

        return generate

    async def _custom(self, request: Request) -> Response:
        model_id, body = request.path_params["model_id"], await self._door.json(request)
        return self._generated(
            request, read_custom(model_id, body, self._models, self.config.locked_models, self.config.prices)
        )

    def _generated(self, request: Request, order: Order) -> Response:
        """Take an order, or say what it would cost.

        Raises:
            Refusal, CutOff: there is no such picture, no room, or a fault strikes.
        """
        sent_along = (order.image or "").startswith("data:")
        source = self._shelf.asset(order.image) if order.image is not None and not sent_along else None
        if request.query_params.get("dryRun") in ("true", "api"):
            return reply({"creativeUnitsCost": order.units, "creativeUnitsDiscount": 0, "costDetails": {}}, DRY_RUN)
        prompt = order.prompt or (source.prompt if source is not None else "")
        self._door.strike(order.call, prompt)
        self._works.check_room(order.action)
        if sent_along and order.image is not None:
            order = order.of(self._files.kept(order.image, "image").id)
        job = self._works.take(
            order.job_type, order.call, self._maker.work(order),
            action=order.action, input=order.told, units=order.units, prompt=prompt,
        )  # fmt: skip
        answer = reply({"job": wire.job_body(job), "creativeUnitsCost": order.units, "creativeUnitsDiscount": 0})
        return self._door.accepted(answer, order.call, prompt)

    async def _get_job(self, request: Request) -> Response:
        return reply({"job": wire.job_body(self._job(request))})

    async def _act_on_job(self, request: Request) -> Response:
        job, body = self._job(request), await self._door.json(request)
        if not isinstance(body, dict) or body.get("action") != "cancel":
            raise bad_request("action is wrong", action="must be cancel")
        if not self.config.cancels or job.status.terminal:
            raise bad_request("Cannot cancel this type of job")
        self._works.cancel(job)
        return reply({"job": wire.job_body(job)})

    def _job(self, request: Request) -> Job:
        job_id = request.path_params["job_id"]
        job = self._works.get(job_id)
        if job is None:
            raise not_found(f"job {job_id}")
        return job

    async def _list_jobs(self, request: Request) -> Response:
        asked, config = request.query_params, self.config
        shown = self._clock.now() - timedelta(seconds=config.listing_lag_s)
        jobs = chosen((job for job in self._works.all() if job.created_at <= shown), asked)
        return reply(page("jobs", [wire.job_body(job, with_input=config.lists_input) for job in jobs], asked))

    async def _list_models(self, request: Request) -> Response:
        asked = request.query_params
        public = request.url.path.endswith("/public") or asked.get("privacy") == "public"
        models = self._models.values() if public else ()  # none is the key's own
        return reply(page("models", [wire.model_body(model, self._since) for model in models], asked))

    async def _get_model(self, request: Request) -> Response:
        model_id = request.path_params["model_id"]
        if model_id not in self._models:
            raise not_found(f"model {model_id}")
        return reply({"model": wire.model_body(self._models[model_id], self._since)})

    async def _usages(self, request: Request) -> Response:
        del request  # no filter changes what was used here
        return reply(wire.usage_body(self._works.all(), self._clock.now()))


async def _not_served(_: Request, error: Exception) -> Response:
    status, text = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "internal error")
    return reply({"message": text}, status)
