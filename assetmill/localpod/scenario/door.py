"""What every call passes through: faults, the key, the size of its body, and refusals on the way out.

Both sides of the API, the one for files and the one for jobs, share it. It knows no route, and it must never repeat
a key or a body.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.errors import RequestRejected
from assetmill.localpod.broken_answers import CutAnswer, Lines, ResetAnswer
from assetmill.localpod.exchange import read_body, reply
from assetmill.localpod.scenario.config import ScenarioConfig
from assetmill.localpod.scenario.faults import Kind, Luck, Stage
from assetmill.localpod.scenario.refusal import (
    Refusal,
    bad_request,
    ceiling,
    cool_down,
    failing,
    forbidden,
    too_large,
    unauthorized,
)

Handler = Callable[[Request], Awaitable[Response]]


class CutOff(Exception):  # noqa: N818  named for what happens to the caller
    """The connection is to be closed without an answer."""


class Door:
    """The way in and out.

    Args:
        config: keys, sizes and prefix.
        clock: ids of traces.
        luck: who is struck by what.
    """

    def __init__(self, config: ScenarioConfig, clock: Clock, luck: Luck) -> None:
        self._config = config
        self._clock = clock
        self._luck = luck
        self.lines = Lines()
        self.calls: Counter[str] = Counter()

    def route(
        self, path: str, method: str, handler: Handler, call: str, words: Callable[[Request], str] | None = None
    ) -> Route:
        """A route of the API that needs the key.

        Args:
            path: after the prefix.
            method: HTTP method.
            handler: answers.
            call: its name, one of `faults.CALLS`.
            words: the prompt that a call goes back to; None for calls that look at their faults themselves.
        """
        return Route(f"{self._config.prefix}{path}", self.around(handler, call, words, locked=True), methods=[method])

    def around(
        self, handler: Handler, call: str, words: Callable[[Request], str] | None = None, *, locked: bool = False
    ) -> Handler:
        """A handler that counts its calls, and whose refusals become answers.

        Args:
            handler: answers.
            call: its name.
            words: as above.
            locked: it needs the key.
        """

        async def answer(request: Request) -> Response:
            self.calls[call] += 1
            try:
                if locked:
                    self._authorize(request)
                if words is not None:
                    self.strike(call, words(request))
                return await handler(request)
            except CutOff:
                return CutAnswer(self.lines)
            except Refusal as refusal:
                trace = {"trace_id": f"tr_{self._clock.new_id()[:16]}"} if "reason" in refusal.body else {}
                return reply(refusal.body | trace, refusal.status)

        return answer

    def strike(self, call: str, prompt: str) -> None:
        """Refuse or cut off a call that a fault strikes before anything is accepted.

        Raises:
            Refusal, CutOff: one does.
        """
        fault = self._luck.draw(Stage.BEFORE, call, prompt)
        if fault is None:
            return
        match fault.kind:
            case Kind.CEILING:
                raise ceiling("parallel-inferences", self._config.parallel)
            case Kind.COOL_DOWN:
                raise cool_down(fault.seconds)
            case Kind.BAD_REQUEST:
                raise bad_request("The request was refused on purpose", prompt="asks for it")
            case Kind.NO_PLAN:
                raise forbidden("Your plan does not include this model")
            case Kind.ERROR:
                raise failing(fault.status)
            case _:
                raise CutOff

    def accepted(self, answer: Response, call: str, prompt: str) -> Response:
        """The answer to a call that was accepted, unless a fault breaks it.

        Raises:
            Refusal: the answer is an error.
        """
        fault = self._luck.draw(Stage.AFTER, call, prompt)
        if fault is None:
            return answer
        if fault.kind is Kind.ERROR_AFTER:
            raise failing(fault.status)
        return CutAnswer(self.lines) if fault.kind is Kind.ANSWER_LOST else ResetAnswer(self.lines, answer)

    async def json(self, request: Request) -> Any:
        """The body, parsed.

        Raises:
            Refusal: 400 or 413.
        """
        try:
            return json.loads(await self.bytes(request))
        except ValueError:
            raise bad_request("the body is no JSON") from None

    async def bytes(self, request: Request) -> bytes:
        """The body as it came.

        Raises:
            Refusal: 413.
        """
        try:
            return await read_body(request, self._config.body_bytes)
        except RequestRejected:
            raise too_large() from None

    def _authorize(self, request: Request) -> None:
        config = self._config
        if config.api_key is not None and config.secret is not None:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            wanted = base64.b64encode(f"{config.api_key}:{config.secret}".encode())
            if scheme.lower() != "basic" or not hmac.compare_digest(token.strip().encode(), wanted):
                raise unauthorized()
        project = request.query_params.get("projectId")
        if project is not None and config.projects is not None and project not in config.projects:
            raise forbidden("You do not have access to this project")
