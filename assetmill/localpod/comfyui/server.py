"""The HTTP side of the local ComfyUI: prompt, queue, history, view, upload, interrupt, object_info, system_stats.

Paths, answers and oddities are those of ComfyUI's server.py (0.25); every path is there below `/api` too. It
translates between HTTP and the queue and decides nothing itself. There is no websocket: our client does without.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import RequestRejected
from assetmill.localpod.broken_answers import CutAnswer, Lines
from assetmill.localpod.comfyui.config import ComfyConfig
from assetmill.localpod.comfyui.faults import Fault, Faults, Kind
from assetmill.localpod.comfyui.files import Files
from assetmill.localpod.comfyui.info import object_info
from assetmill.localpod.comfyui.machine import Machine, Ran
from assetmill.localpod.comfyui.queue import Prompt, PromptQueue
from assetmill.localpod.comfyui.validation import validate
from assetmill.localpod.exchange import may_enter, read_body, reply
from assetmill.localpod.server import hosting, until_told
from assetmill.workflows.contract import Contract
from assetmill.workflows.library import load_library

Handler = Callable[[Request], Awaitable[Response]]
BEFORE_TAKING = (Kind.LOST_REQUEST, Kind.BUSY, Kind.THROTTLED)


class Comfy:
    """A running server. Made by `running_comfyui`.

    Args:
        config: how it behaves.
        contract: the nodes that it has.
        clock: time and ids.
        port: the port that it listens on.
    """

    def __init__(self, config: ComfyConfig, contract: Contract, clock: Clock, port: int) -> None:
        self.config = config
        host = f"[{config.host}]" if ":" in config.host else config.host
        self._path = "/draft" if config.placeholders else ""
        self.url = f"http://{host}:{port}{self._path}"
        self.faults = Faults(config.faults)
        self.files = Files(config.most_kept_bytes)
        self.calls: Counter[str] = Counter()
        self._contract = contract
        self._clock = clock
        self._queue = PromptQueue(config.most_history)
        self._machine = Machine(config, self._queue, self.files, self.faults, clock)
        self._lines = Lines()
        self._number = 0

    @property
    def ran(self) -> tuple[Ran, ...]:
        """Every prompt that was begun, oldest first."""
        return tuple(self._machine.ran)

    @property
    def outstanding(self) -> int:
        """Prompts that wait or run."""
        return self._queue.outstanding

    @property
    def most_outstanding(self) -> int:
        """The most that ever did: what a client's window is compared with."""
        return self._queue.most_outstanding

    def hold(self) -> None:
        """Begin no prompt until `go`."""
        self._machine.hold()

    def go(self) -> None:
        """Go on."""
        self._machine.go()

    def restart(self) -> None:
        """Die, and be back after `restart_s`: queue and history are gone, files are not."""
        self._number = 0
        self._machine.restart()

    def inject(self, fault: Fault) -> None:
        """From now on this may go wrong too."""
        self.faults.add(fault)

    def app(self) -> Starlette:
        """The HTTP side, as an ASGI application."""
        handlers: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "prompt", self._prompt),
            ("GET", "prompt", self._remaining),
            ("GET", "queue", self._show_queue),
            ("POST", "queue", self._change_queue),
            ("GET", "history", self._history),
            ("GET", "history/{prompt_id}", self._history_of),
            ("POST", "history", self._change_history),
            ("POST", "interrupt", self._interrupt),
            ("POST", "free", self._free),
            ("POST", "upload/image", self._upload),
            ("GET", "view", self._view),
            ("GET", "object_info", self._object_info),
            ("GET", "object_info/{node}", self._object_info),
            ("GET", "system_stats", self._system_stats),
        )
        routes = [
            Route(f"{self._path}{api}/{path}", self._around(path, handler), methods=[method])
            for method, path, handler in handlers
            for api in ("", "/api")
        ]
        if self.config.jobs_api:
            cancel = self._around("jobs/cancel", self._cancel)
            routes.append(Route(f"{self._path}/api/jobs/{{prompt_id}}/cancel", cancel, methods=["POST"]))
        return Starlette(routes=routes, exception_handlers={HTTPException: _plain, RequestRejected: _too_large})

    def listen(self, connections: Callable[[], Iterable[Any]]) -> None:
        """Is told where the server's open connections are found."""
        self._lines.attach(connections)

    async def keep_time(self) -> None:
        """Run prompts, until cancelled."""
        await self._machine.keep_running()

    async def aclose(self) -> None:
        """Nobody waits here."""
        self._lines.close()

    def _around(self, path: str, handler: Handler) -> Handler:
        """What every call goes through: a server that is down answers nobody, and a key is asked for first."""

        async def answer(request: Request) -> Response:
            self.calls[f"{request.method} {path}"] += 1
            if self._machine.down:
                return CutAnswer(self._lines)
            if not may_enter(request, self.config.api_key):
                return reply({"error": "unauthorized"}, 401)
            return await handler(request)

        return answer

    async def _prompt(self, request: Request) -> Response:
        body = await self._body(request)
        fault = self.faults.draw(body, *BEFORE_TAKING)
        if fault is not None:
            return self._refused(fault)
        if "prompt" not in body:
            return _refusal("no_prompt", "No prompt provided", "No prompt provided")
        prompt_id = self._id(body.get("prompt_id"))
        if prompt_id is None:
            hint = "prompt_id must be a UUID string in canonical lowercase hyphenated form"
            return _refusal("invalid_prompt_id", "prompt_id must be a valid UUID", hint)
        return self._take(prompt_id, body)

    def _take(self, prompt_id: str, body: Mapping[str, Any]) -> Response:
        """Check a graph, and queue what of it is sound."""
        graph = body["prompt"]
        if not isinstance(graph, dict) or not all(isinstance(node, dict) for node in graph.values()):
            return PlainTextResponse("500 Internal Server Error\n\nServer got itself in trouble", 500)
        number = float(body["number"]) if "number" in body else self._number
        self._number += "number" not in body
        verdict = validate(graph, object_info(self._contract, self.config.lacks), self.files.input)
        if verdict.error is not None:
            return reply({"error": verdict.error, "node_errors": verdict.node_errors}, 400)
        extra = dict(body.get("extra_data") or {}) | {"create_time": int(self._clock.now().timestamp() * 1000)}
        self._queue.put(Prompt(number, prompt_id, graph, extra, verdict.good))
        if self.faults.draw(body, Kind.LOST_ANSWER) is not None:
            return CutAnswer(self._lines)
        return reply({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def _id(self, given: Any) -> str | None:
        """The prompt's id; None for one that no server would take."""
        if given is None or not self.config.takes_ids:
            return str(uuid.UUID(hex=self._clock.new_id()))
        try:
            return str(given) if str(uuid.UUID(str(given))) == given else None
        except ValueError:
            return None

    def _refused(self, fault: Fault) -> Response:
        if fault.kind is Kind.LOST_REQUEST:
            return CutAnswer(self._lines)
        if fault.kind is Kind.THROTTLED:
            return reply({"error": "too many requests"}, 429, {"Retry-After": f"{fault.seconds:g}"})
        return PlainTextResponse("503 Service Unavailable: no server is available", 503)

    async def _remaining(self, _request: Request) -> Response:
        return reply({"exec_info": {"queue_remaining": self._queue.outstanding}})

    async def _show_queue(self, _request: Request) -> Response:
        running = [self._queue.running.item()] if self._queue.running else []
        return reply({"queue_running": running, "queue_pending": [one.item() for one in self._queue.pending()]})

    async def _change_queue(self, request: Request) -> Response:
        body = await self._body(request)
        gone = set(body.get("delete") or ())
        self._queue.delete(lambda prompt: bool(body.get("clear")) or prompt.id in gone)
        return Response()

    async def _history(self, request: Request) -> Response:
        entries = list(self._queue.history.items())
        most = request.query_params.get("max_items")
        offset = int(request.query_params.get("offset", -1))
        if offset < 0:
            offset = len(entries) - int(most) if most is not None else 0
        shown = entries[max(0, offset) :]
        return reply(dict(shown if most is None else shown[: int(most)]))

    async def _history_of(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        found = self._queue.history.get(prompt_id)
        return reply({} if found is None else {prompt_id: found})

    async def _change_history(self, request: Request) -> Response:
        body = await self._body(request)
        for prompt_id in list(self._queue.history) if body.get("clear") else body.get("delete") or ():
            self._queue.history.pop(prompt_id, None)
        return Response()

    async def _interrupt(self, request: Request) -> Response:
        raw = await read_body(request, self.config.most_body_bytes)
        wanted = json.loads(raw).get("prompt_id") if raw else None
        running = self._queue.running
        if running is not None and (not wanted or not self.config.aimed_interrupts or wanted == running.id):
            running.interrupted.set()
        return Response()

    async def _cancel(self, request: Request) -> Response:
        prompt_id, running = request.path_params["prompt_id"], self._queue.running
        runs = running is not None and running.id == prompt_id
        if running is not None and runs:
            running.interrupted.set()
        return reply({"cancelled": runs or self._queue.delete(lambda prompt: prompt.id == prompt_id)})

    async def _free(self, request: Request) -> Response:
        await self._body(request)
        return Response()

    async def _upload(self, request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > self.config.most_body_bytes:
            raise RequestRejected("too large")
        async with request.form() as form:
            image = form.get("image")
            subfolder = str(form.get("subfolder") or "")
            name = image.filename if isinstance(image, UploadFile) else None
            if not isinstance(image, UploadFile) or not name or "/" in name or ".." in name or subfolder:
                return Response(status_code=400)
            kept = self.files.upload(name, await image.read(), overwrite=form.get("overwrite") in ("true", "1"))
        return reply({"name": kept, "subfolder": "", "type": "input"})

    async def _view(self, request: Request) -> Response:
        asked = request.query_params
        name = asked.get("filename", "")
        if name.startswith("/") or ".." in name:
            return Response(status_code=400)
        data = self.files.find(asked.get("type", "output"), asked.get("subfolder", ""), name)
        get = request.method == "GET"
        if data is None or (get and self.faults.draw(name, Kind.NO_FILE)):
            return Response(status_code=404)
        torn = get and self.faults.draw(name, Kind.TORN_FILE)
        return Response(data[: len(data) // 2] if torn else data, media_type="image/png")

    async def _object_info(self, request: Request) -> Response:
        info = object_info(self._contract, self.config.lacks, self.files.input)
        node = request.path_params.get("node")
        return reply(info if node is None else {key: info[key] for key in (node,) if key in info})

    async def _system_stats(self, _request: Request) -> Response:
        system = {
            "os": sys.platform,
            "comfyui_version": self.config.version,
            "python_version": sys.version,
            "pytorch_version": "none",
            "embedded_python": False,
            "argv": ["main.py"],
        }
        return reply({"system": system, "devices": [{"name": "cpu", "type": "cpu", "index": None}]})

    async def _body(self, request: Request) -> Mapping[str, Any]:
        try:
            body = json.loads(await read_body(request, self.config.most_body_bytes))
        except (ValueError, RecursionError):
            raise HTTPException(500) from None  # ComfyUI lets the parser's error pass
        if not isinstance(body, dict):
            raise HTTPException(500)
        return body


@asynccontextmanager
async def running_comfyui(config: ComfyConfig | None = None, clock: Clock | None = None) -> AsyncIterator[Comfy]:
    """Run a server in this process for as long as the block lasts.

    Args:
        config: how it behaves.
        clock: time, sleep and ids; the real ones when left out.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    wanted, time = config or ComfyConfig(), clock or Clock()
    contract = load_library().contract
    async with hosting(wanted, lambda port: Comfy(wanted, contract, time, port)) as comfy:
        yield comfy


async def serve_comfyui(
    config: ComfyConfig,
    *,
    ready: Callable[[str], None],
    clock: Clock | None = None,
    follow_parent: bool = False,
) -> None:
    """Run a server until this task is cancelled or the process gets SIGTERM.

    Args:
        config: how it behaves.
        ready: told its address once it listens.
        clock: time, sleep and ids; the real ones when left out.
        follow_parent: also end when the process that started this one is gone.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    time = clock or Clock()
    await until_told(running_comfyui(config, time), ready=ready, clock=time, follow_parent=follow_parent)


def _refusal(kind: str, message: str, details: str) -> Response:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    return reply({"error": error, "node_errors": {}}, 400)


async def _plain(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse(f"{status}: error", status)


async def _too_large(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Maximum request body size exceeded", 413)
