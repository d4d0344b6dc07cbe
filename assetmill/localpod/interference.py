"""Faults of calls: between a client that asks and an endpoint that would have answered.

Some strike before the operation has done anything (nothing was accepted), some after (the job is queued and will be
paid for, and the sender does not hear of it). It never changes what the endpoint does, only what is heard of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from assetmill.clock import Clock
from assetmill.errors import RequestRejected, UsageError
from assetmill.localpod.broken_answers import CutAnswer, Lines, ResetAnswer, TricklingAnswer
from assetmill.localpod.exchange import reply
from assetmill.localpod.fault_reading import read_header
from assetmill.localpod.faults import SUBMISSIONS, Kind, Rule, Stage
from assetmill.localpod.faulty_queue import FaultyQueue
from assetmill.localpod.faulty_results import HTML_PAGE
from assetmill.localpod.injector import Injector, Subject
from assetmill.localpod.jobs import Job
from assetmill.localpod.limits import check_body

FAULT_HEADER: Final = "X-Assetmill-Fault"
"""Header of a call that asks for faults: a bare kind, or JSON as a job's `assetmill_fault` takes it."""

OF_ONE_JOB: Final = frozenset({"status", "status-sync", "stream", "cancel", "retry"})


class AnsweredError(Exception):
    """A fault has answered in the operation's place."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered by a fault")
        self.response = response


class Interference:
    """The faults of one endpoint's calls.

    Args:
        injector: who is hit.
        queue: where jobs are looked up.
        clock: for answers that dawdle.
    """

    def __init__(self, injector: Injector, queue: FaultyQueue, clock: Clock) -> None:
        self.lines = Lines()
        self._injector = injector
        self._queue = queue
        self._clock = clock

    async def around(self, request: Request, operation: str, answer: Callable[[], Awaitable[Response]]) -> Response:
        """Answer a call, or let a fault do so.

        Args:
            request: the call.
            operation: first part of its path, such as `status-sync`.
            answer: what the endpoint would do.

        Raises:
            RequestRejected: the header asks for something that there is not.
        """
        request.state.asked, request.state.after, request.state.job_id = self._asked(request), None, ""
        if operation in SUBMISSIONS:  # those are drawn when the body is known
            try:
                response = await answer()
            except AnsweredError as answered:
                return answered.response
            late: Rule | None = request.state.after
            return response if late is None else self._broken(late, response, request.state.job_id)
        subject = self._subject(request, operation)
        name = subject.job_id or operation
        before = self._drawn(Stage.CALL, subject)
        if before is not None:
            return self._instead(before, name)
        if operation in OF_ONE_JOB and self._queue.young(subject.job_id):
            raise HTTPException(404, "job not found")
        response = await answer()
        after = self._drawn(Stage.ANSWER, subject)
        return response if after is None else self._broken(after, response, name)

    async def managing(self, request: Request, operation: str, answer: Callable[[], Awaitable[Response]]) -> Response:
        """Answer a call of the management API, or let a fault do so: one whose rule names the operation, no other.

        Args:
            request: the call.
            operation: such as `endpoints-create`.
            answer: what the management API would do.
        """
        asked = self._asked(request)
        before = self._injector.draw(Stage.CALL, Subject(operation=operation, asked=asked), _named(operation))
        if before is not None:
            return self._instead(before, operation)
        response = await answer()
        after = self._injector.draw(Stage.ANSWER, Subject(operation=operation, asked=asked), _named(operation))
        return response if after is None else self._broken(after, response, operation)

    def submitting(self, request: Request, operation: str, job_input: Mapping[str, Any], size: int) -> None:
        """A body has been read that would become a job.

        Raises:
            AnsweredError: a fault strikes, and nothing is accepted.
            RequestRejected: the fault is that the body is too large, or the input asks for one that there is not.
        """
        asked = request.state.asked + self._injector.asked_by(job_input)
        subject = Subject(operation=operation, outline=job_input, asked=asked)
        rule = self._drawn(Stage.CALL, subject, size)
        if rule is None:
            return
        if rule.kind is Kind.OVERSIZE_BODY:
            self._injector.note(rule.kind, operation)
            check_body(size, rule.size_bytes or 0)
        raise AnsweredError(self._instead(rule, operation))

    def submitted(self, request: Request, operation: str, job: Job) -> None:
        """A job has been queued; decide whether its sender will hear of it."""
        asked = request.state.asked + self._injector.asked_by(job.outline)
        request.state.job_id = job.id
        request.state.after = self._drawn(Stage.ANSWER, Subject(job.id, operation, outline=job.outline, asked=asked))

    def _asked(self, request: Request) -> tuple[Rule, ...]:
        text = request.headers.get(FAULT_HEADER)
        if text is None or not self._injector.by_request:
            return ()
        try:
            return read_header(text)
        except UsageError as error:
            raise RequestRejected(f"{FAULT_HEADER}: {error.message}", hint=error.hint) from None

    def _subject(self, request: Request, operation: str) -> Subject:
        job_id = request.path_params.get("job_id", "")
        job = self._queue.find(job_id) if job_id else None
        return Subject(job_id, operation, outline=job.outline if job else {}, asked=request.state.asked)

    def _drawn(self, stage: Stage, subject: Subject, size: int = 0) -> Rule | None:
        def suits(rule: Rule) -> bool:
            large = rule.kind is not Kind.OVERSIZE_BODY or size > (rule.size_bytes or 0)
            return large and rule.hits(subject.operation)

        return self._injector.draw(stage, subject, suits)

    def _instead(self, rule: Rule, name: str) -> Response:
        """The answer of a fault that lets nothing through."""
        self._injector.note(rule.kind, name)
        match rule.kind:
            case Kind.THROTTLE:
                headers = {} if rule.seconds is None else {"Retry-After": f"{rule.seconds:g}"}
                return reply({"error": "rate limit exceeded"}, 429, headers)
            case Kind.KEY_REFUSED:
                return reply({"error": "unauthorized"}, rule.status or 401)
            case Kind.BAD_GATEWAY:
                return HTMLResponse(HTML_PAGE, rule.status or 502)
            case _:
                return CutAnswer(self.lines)

    def _broken(self, rule: Rule, response: Response, name: str) -> Response:
        """A real answer, as the fault lets it through."""
        self._injector.note(rule.kind, name)
        match rule.kind:
            case Kind.LOST_ANSWER:
                return CutAnswer(self.lines)
            case Kind.GARBLED_ANSWER:
                return HTMLResponse(HTML_PAGE, rule.status or 502)
            case Kind.RESET:
                return ResetAnswer(self.lines, response)
            case _:
                return TricklingAnswer(
                    self.lines, response, self._clock, size_bytes=rule.size_bytes or 1, pause_s=rule.seconds or 0.0
                )


def _named(operation: str) -> Callable[[Rule], bool]:
    """Whether a rule is meant for this very operation."""
    return lambda rule: rule.operation == operation
