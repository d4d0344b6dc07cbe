"""`settle`: collect what was paid for and never collected."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from rich.markup import escape

from assetmill.batch.settling import settle_everything
from assetmill.cli.outcome import ERR, print_json
from assetmill.clock import Clock
from assetmill.settings import load_settings, reach_this_machine_directly


def settle(game: str | None, endpoint: str | None, *, wait: bool, as_json: bool) -> int:
    """Settle all open attempts that can be decided, and say what stays open."""
    reach_this_machine_directly()
    done = asyncio.run(settle_everything(load_settings(), Clock(), game=game, endpoint=endpoint, wait=wait))
    if as_json:
        print_json(asdict(done))
        return 0
    for attempt_id, why in done.open.items():
        ERR.print(f"[yellow]open[/] {attempt_id}: {escape(why)}")
    ERR.print(done.sentence)
    return 0
