"""`report`: the results table, grouped and measured, on the terminal or as a file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from assetmill.cli.outcome import ERR
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.ledger import Ledger, RowFilter
from assetmill.reports.cost import TEXT_FORMATS
from assetmill.reports.render import FORMATS, rendered
from assetmill.reports.spans import read_span
from assetmill.reports.spend import SpendLimits
from assetmill.settings import load_settings

NOT_FOR_A_TERMINAL: Final = tuple(name for name in FORMATS if name not in TEXT_FORMATS)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked to be about.

    Args:
        by: dimensions.
        form: format.
        since: date or time, as it was written.
        until: the same.
        timezone: IANA name.
        game: only this game.
        run: only this run.
        out: file to write; None is stdout.
    """

    by: Sequence[str]
    form: str
    since: str | None = None
    until: str | None = None
    timezone: str = "UTC"
    game: str | None = None
    run: str | None = None
    out: Path | None = None


def print_report(asked: Asked) -> int:
    """Print the cost report, or write it to a file.

    Raises:
        UsageError: no such format, dimension, game, run, time or zone; or a file is to be printed on a terminal.
    """
    if asked.form not in FORMATS:
        raise UsageError(f"no format {asked.form!r}", hint=f"one of {', '.join(FORMATS)}")
    if asked.form in NOT_FOR_A_TERMINAL and asked.out is None and sys.stdout.isatty():
        raise UsageError(f"{asked.form} is nothing for a terminal", hint=f"--out report.{asked.form}, or a pipe")
    span = read_span(asked.since, asked.until, asked.timezone)
    where = RowFilter(game=asked.game, run_id=asked.run, since=span.since, until=span.until)
    settings = load_settings()
    limits = SpendLimits(settings.game_budget_usd, settings.month_budget_usd)
    with Ledger.open(settings.ledger_url) as ledger:
        _refuse_unknown(ledger, asked)
        data = rendered(
            ledger, asked.by, asked.form, where=where, made_at=Clock().now(), timezone=asked.timezone, limits=limits
        )
    if asked.out is None:
        sys.stdout.buffer.write(data)
    else:
        _write(asked.out, data)
        ERR.print(f"{asked.out}: {len(data):,} bytes", markup=False)
    return 0


def _refuse_unknown(ledger: Ledger, asked: Asked) -> None:
    """A report on nothing, because a name is misspelt, would look as if nothing had been spent."""
    if asked.game is None and asked.run is None:
        return
    runs = ledger.runs()
    games = sorted({str(run["game"]) for run in runs})
    if asked.game is not None and asked.game not in games:
        near = get_close_matches(asked.game, games, n=1)
        known = f"did you mean {near[0]}?" if near else f"the ledger has {', '.join(games) or 'none yet'}"
        raise UsageError(f"no game {asked.game!r} in the ledger", hint=known)
    if asked.run is not None and all(run["run_id"] != asked.run for run in runs):
        raise UsageError(f"no run {asked.run!r} in the ledger", hint="assetmill report --by run lists them")


def _write(path: Path, data: bytes) -> None:
    """All of a file, or what was there before."""
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = Path(file.name)
            file.write(data)
        name.chmod(0o666 & ~_umask())
        name.replace(path)
    except OSError as error:
        if name is not None:
            name.unlink(missing_ok=True)
        hint = "is it a folder, or may it not be written to?"
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
