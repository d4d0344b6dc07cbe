"""`settle`: collect what was paid for and never collected."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from rich.markup import escape

from assetmill.batch.settling import Settled, settle_everything
from assetmill.cli.outcome import ERR, print_json
from assetmill.clock import Clock
from assetmill.errors import ProviderRefused
from assetmill.settings import load_settings, reach_this_machine_directly


def settle(game: str | None, endpoint: str | None, *, wait: bool, as_json: bool) -> int:
    """Settle all open attempts that can be decided, and say what stays open; the exit code says whether anything."""
    reach_this_machine_directly()
    done = asyncio.run(settle_everything(load_settings(), Clock(), game=game, endpoint=endpoint, wait=wait))
    code = exit_code(done)
    if as_json:
        remaining = [asdict(one) for one in done.remaining.values()]
        counts = {"settled": done.settled, "open": done.open, "busy": done.busy}
        print_json({**counts, "remaining": remaining, "exit_code": code})
        return code
    for words in done.open.values():
        ERR.print(f"[yellow]open[/] {escape(words)}")
    ERR.print(done.sentence)
    return code


def exit_code(done: Settled) -> int:
    """4 where an endpoint refused us, 1 where something else stays open; what others look after is in good hands."""
    if done.refused:
        return ProviderRefused.exit_code
    return 1 if done.remaining else 0
