"""How a command ends: errors become messages and exit codes in one place."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from assetmill.errors import AssetmillError

P = ParamSpec("P")
INTERRUPTED = 130
NOTHING_LOST = "interrupted; nothing that was paid for is lost: run again to go on"
ERR = Console(stderr=True, soft_wrap=True, highlight=False)


class Interrupted(KeyboardInterrupt):
    """An interruption that has more to say than that nothing is lost; its text is printed."""


def guarded(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turn a command's return value and errors into its exit code. Being told to end is an interruption too.

    An AssetmillError is told in words on stderr; with `--json` it is also the object on stdout:
    `{"error": {"code", "message", "hint", "job_id", "problems"}, "exit_code"}`.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        signal.signal(signal.SIGTERM, _as_ctrl_c)
        try:
            code = command(*args, **kwargs) or 0
        except AssetmillError as error:
            tell(error)
            if kwargs.get("as_json"):
                print_json({"error": _as_json(error), "exit_code": error.exit_code})
            code = error.exit_code
        except (KeyboardInterrupt, typer.Abort) as interruption:
            ERR.print(escape(str(interruption) if isinstance(interruption, Interrupted) else NOTHING_LOST))
            code = INTERRUPTED
        raise typer.Exit(code)

    return run


def _as_ctrl_c(*_: object) -> None:
    """End as by Ctrl-C, also where a script has started us in the background: shells let such programs ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def tell(error: AssetmillError) -> None:
    """Print an error for a person: manifest problems one a line, others with their hint."""
    problems = getattr(error, "problems", ())
    for problem in problems:
        ERR.print(escape(str(problem)))
    if problems:
        ERR.print(f"[bold red]{many(len(problems), 'error')}[/]")
        return
    job = f" [dim](job {error.job_id})[/]" if error.job_id else ""
    ERR.print(f"[bold red]error:[/] {escape(error.message)}{job}")
    if error.hint:
        ERR.print(f"[bold]hint:[/] {escape(error.hint)}")


def many(count: int, thing: str) -> str:
    """A number and its noun: 1 asset, 2 assets."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def print_json(document: Any) -> None:
    """One object on stdout."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    sys.stdout.write(orjson.dumps(document, default=str, option=options).decode())


def _as_json(error: AssetmillError) -> dict[str, Any]:
    body: dict[str, Any] = {
        "code": error.code, "message": error.message, "hint": error.hint, "job_id": error.job_id,
    }  # fmt: skip
    as_json = getattr(error, "as_json", None)
    if as_json is not None:
        body["problems"] = as_json()
    return body
