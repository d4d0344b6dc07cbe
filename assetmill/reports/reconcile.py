"""Asking for bills and setting them beside the books, for every endpoint at which something was paid.

An endpoint whose bill cannot be had does not keep the others waiting: it is told, and what was billed before stays in
the books. Nothing here changes an attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import httpx

from assetmill.clock import Clock
from assetmill.errors import AssetmillError, LedgerError, ProviderRefused, UsageError
from assetmill.ledger import Ledger
from assetmill.ledger.bills import Bill
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.endpoints import endpoint_of, resolve_endpoint
from assetmill.providers.runpod.billing import BilledHour, billed_hours
from assetmill.reports.paid_time import HOUR
from assetmill.reports.reconciliation import SETTLED, ReconciledHour, paid_hours, reconciliation
from assetmill.settings import Settings

USUAL: Final = timedelta(days=30)
"""How far back bills are asked for: what RunPod answers when nobody names a window."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of it.

    Args:
        hours: every hour of the window of which there is a bill, by endpoint and time.
        failures: endpoints whose bill could not be had now, and why: address -> words.
        refused: whether a key was missing or refused.
        asked_at: when.
    """

    hours: tuple[ReconciledHour, ...]
    failures: Mapping[str, str]
    refused: bool
    asked_at: datetime

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        settled = [hour for hour in self.hours if hour.state == SETTLED]
        billed = sum((hour.billed_usd for hour in settled), Decimal(0))
        known = [hour for hour in settled if hour.estimate_usd is not None]
        estimated = sum((hour.estimate_usd for hour in known if hour.estimate_usd is not None), Decimal(0))
        kept, words = sum(hour.kept for hour in settled), f"{_many(len(settled), 'hour')} settled"
        if settled:
            words += f": ${billed:.4f} billed, ${estimated:.4f} estimated"
        if kept:
            words += f", ${billed / kept:.4f} billed per kept image"
        if settling := len(self.hours) - len(settled):
            words += f"; {_many(settling, 'hour')} still settling"
        return words + (f"; no bill of {_many(len(self.failures), 'endpoint')}" if self.failures else "")


async def reconcile(
    settings: Settings,
    clock: Clock,
    *,
    endpoint: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Reconciled:
    """Ask for the bills of a window, write them down, and set them beside the estimates.

    Args:
        settings: keys, and where the books are.
        clock: time.
        endpoint: only this one: a name, an id or an address; None for all at which something was paid in the window.
        since: only hours that end after this time; None for the last 30 days.
        until: only hours that begin before this time; None for now.

    Raises:
        UsageError, ProviderRefused: there is no such endpoint, or no key for the one that was named.
        LedgerError: the books cannot be read or written.
    """
    now = clock.now()
    first, last = _floor(since or now - USUAL), _ceiling(min(until or now, now))
    named = None if endpoint is None else _named(settings, endpoint)
    with Ledger.open(settings.ledger_url) as ledger:
        paid = await asyncio.to_thread(paid_hours, ledger, first, last)
        wanted = sorted(paid) if named is None else [named.url]
        async with httpx.AsyncClient() as client:
            asked = (_ask(settings, client, url, first, last) for url in wanted)
            answers = dict(zip(wanted, await asyncio.gather(*asked), strict=True))
        await asyncio.to_thread(_write, ledger, answers, paid, (first, last), now)
        url = None if named is None else named.url
        hours = await asyncio.to_thread(reconciliation, ledger, endpoint_url=url, since=first, until=last)
    failures = {url: answer for url, answer in answers.items() if isinstance(answer, AssetmillError)}
    return Reconciled(
        hours,
        {url: str(error) for url, error in failures.items()},
        any(isinstance(error, ProviderRefused) for error in failures.values()),
        now,
    )


def _named(settings: Settings, name: str) -> Endpoint:
    endpoint = resolve_endpoint(settings, name)
    if endpoint.draft:
        raise UsageError("drafts cost nothing: there is no bill", hint="name a paid endpoint, or none for all of them")
    return endpoint


async def _ask(
    settings: Settings, client: httpx.AsyncClient, url: str, since: datetime, until: datetime
) -> tuple[BilledHour, ...] | AssetmillError:
    """The bill of an endpoint, or why there is none."""
    try:
        return await billed_hours(client, endpoint_of(settings, url), since, until)
    except LedgerError:
        raise
    except AssetmillError as error:
        return error


def _write(
    ledger: Ledger,
    answers: Mapping[str, tuple[BilledHour, ...] | AssetmillError],
    paid: Mapping[str, Collection[datetime]],
    window: tuple[datetime, datetime],
    now: datetime,
) -> None:
    """Write the answers down; an hour of ours that was asked about and has no record was billed nothing so far."""
    bills: list[Bill] = []
    for url, hours in answers.items():
        if isinstance(hours, AssetmillError):
            continue
        told = {hour.began_at: hour for hour in hours}
        known = ledger.bills.read(endpoint_url=url, since=window[0], until=window[1])
        ours = {*paid.get(url, ()), *(bill.began_at for bill in known)}
        missing = (BilledHour(began, Decimal(0)) for began in ours - set(told))
        bills += _bills(url, (*told.values(), *missing), now)
    ledger.bills.put(bills)


def _bills(url: str, hours: Iterable[BilledHour], now: datetime) -> list[Bill]:
    return [
        Bill(
            endpoint_url=url,
            began_at=hour.began_at,
            ended_at=hour.began_at + HOUR,
            total_usd=hour.total_usd,
            gpu_usd=hour.gpu_usd,
            cpu_usd=hour.cpu_usd,
            disk_usd=hour.disk_usd,
            fee_usd=hour.fee_usd,
            asked_at=now,
        )
        for hour in hours
    ]


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    floor = _floor(moment)
    return floor if floor == moment else floor + HOUR


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
