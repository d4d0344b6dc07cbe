"""Refusals of the local Scenario, in the shapes that Scenario's answers have.

Most are `{reason, infos, trace_id}`; the gateway before it answers `{message}`. Where `infos` stands for what is
not documented, the words are ours.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818  named for what it is on the wire
    """A call is answered with an error.

    Args:
        status: HTTP status.
        body: its JSON body.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body.get('reason') or body.get('message')}")
        self.status = status
        self.body = body


def bad_request(reason: str, **infos: Any) -> Refusal:
    """400: the body cannot be; `infos` has the fields that are wrong."""
    return Refusal(400, {"reason": reason, "infos": infos})


def unauthorized() -> Refusal:
    """401: no key, or the wrong one."""
    return Refusal(401, {"message": "Unauthorized"})


def forbidden(reason: str) -> Refusal:
    """403: the key may not do that, or the plan does not hold it."""
    return Refusal(403, {"reason": reason})


def not_found(what: str) -> Refusal:
    """404."""
    return Refusal(404, {"reason": f"{what} not found"})


def too_large() -> Refusal:
    """413: the gateway takes no such body."""
    return Refusal(413, {"message": "Request Too Long"})


def ceiling(action: str, limit: int) -> Refusal:
    """429: as many jobs of this kind are out as may be; a slot comes free when one of them ends."""
    return Refusal(
        429,
        {
            "reason": f"You have reached the limit of {limit} for {action}",
            "infos": {"actionName": action, "actionLimit": limit},
        },
    )


def cool_down(seconds: float) -> Refusal:
    """429: too fast; the answer says for how long."""
    return Refusal(429, {"reason": "You are in a cooldown period", "remainingSeconds": seconds})


def failing(status: int) -> Refusal:
    """5xx of the gateway."""
    return Refusal(status, {"message": "Internal server error"})
