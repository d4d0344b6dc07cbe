"""Which stretch of time a report is about, as people write it, and the zone in which its days begin.

A report's days are days of a stated zone, UTC unless somebody says otherwise, and every report prints it: "yesterday"
is another day in Tokyo. What is read here becomes aware times at once, so that nothing behind it has to know zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assetmill.errors import UsageError

UTC_NAME = "UTC"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in a zone.

    Args:
        since: its first moment, aware; None from the first attempt on.
        until: the first moment after it, aware; None has no end.
        timezone: IANA name of the zone in which its days begin.
    """

    since: datetime | None = None
    until: datetime | None = None
    timezone: str = UTC_NAME

    @property
    def zone(self) -> ZoneInfo:
        """The zone.

        Raises:
            UsageError: no such zone on this machine.
        """
        return find_zone(self.timezone)

    def in_words(self) -> str:
        """For people: `from 2026-10-01 00:00 until 2026-11-01 00:00, UTC`."""
        parts = [
            f"{word} {moment.astimezone(self.zone):%Y-%m-%d %H:%M}"
            for word, moment in (("from", self.since), ("until", self.until))
            if moment is not None
        ]
        return f"{' '.join(parts) or 'all of the time'}, {self.timezone}"


def find_zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name, such as `Europe/Berlin`.

    Raises:
        UsageError: no such zone, or this machine knows none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "an IANA name such as UTC, Europe/Berlin or America/New_York; a bare machine may lack the tzdata package"
        raise UsageError(f"no time zone {name!r}", hint=hint) from None


def read_span(since: str | None, until: str | None, timezone: str = UTC_NAME) -> Span:
    """Read a span as it is written on a command line.

    Args:
        since: a date (`2026-10-01`: its first moment) or an ISO 8601 time; without an offset it is of the zone.
        until: the same; the report ends just before it.
        timezone: IANA name of the zone.

    Raises:
        UsageError: no such zone, no such time, or nothing lies between the two.
    """
    zone = find_zone(timezone)
    first, last = (_moment(name, text, zone) for name, text in (("--since", since), ("--until", until)))
    if first is not None and last is not None and first >= last:
        raise UsageError(f"nothing lies between --since {since} and --until {until}", hint="--until is not in it")
    return Span(first, last, timezone)


def _moment(option: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        hint = "a date such as 2026-10-01, or a time such as 2026-10-01T09:30 or 2026-10-01T09:30+02:00"
        raise UsageError(f"{option} {text!r} is no date or time", hint=hint) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
