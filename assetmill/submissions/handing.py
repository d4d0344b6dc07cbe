"""Handing a file in by hand: into the inbox, so that its pages lie beside it, and picked up at once.

The file is put there first and picked up then, like any other: should this end in between, it is a plain drop, and
nothing but the note is lost. What lay there under the same name and was not picked up yet keeps its place in the order.
"""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.errors import UsageError
from assetmill.packs.keys import sha256_of
from assetmill.submissions import intake, keys
from assetmill.submissions.inbox import Arrival, Inbox, why_foreign
from assetmill.submissions.names import Sort, sort_of
from assetmill.submissions.office import Office
from assetmill.submissions.records import Record

LONGEST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What came of handing a file in.

    Args:
        record: the submission.
        fresh: False when exactly this was handed in under this name before, and nothing new happens.
        place: where the file lies, for people.
    """

    record: Record
    fresh: bool
    place: str


def hand_in(office: Office, name: str, data: bytes, *, by: str, note: str, again: bool) -> HandedIn:
    """Put a file into the inbox and pick it up; see `Desk.hand_in`."""
    inbox = office.inboxes.get("folder") or office.inboxes["store"]
    name = inbox.fitting(name)
    why = why_foreign(name, len(data))
    if why or sort_of(name) is not Sort.MANIFEST:
        raise UsageError(
            f"{name}: {why or 'a file of this name is never picked up'}", hint="rename it, or make it less"
        )
    before = _lying(office, inbox, name)
    if before is not None:
        intake.take(office, before)
    by, note = _words(by), _words(note)
    inbox.write(name, data)
    arrival = _lying(office, inbox, name)
    record = intake.take(office, arrival, by=by, note=note, again=again) if arrival else None
    fresh = record is not None
    record = record or _there(office, inbox, name, data, by, note)
    if arrival is not None:
        office.shelf.mark(keys.seen_key(arrival.inbox, arrival.state))
    return HandedIn(record, fresh=fresh, place=inbox.place(name))


def _words(text: str) -> str:
    """Somebody's words as a record can hold them."""
    return text.encode("utf-8", "replace").decode()[:LONGEST_WORDS]


def _lying(office: Office, inbox: Inbox, name: str) -> Arrival | None:
    """The file of this name that lies in the inbox, however fresh; None if there is none that could be picked up."""
    return next((one for one in inbox.look(office.now(), 0) if one.name == name and not one.foreign), None)


def _there(office: Office, inbox: Inbox, name: str, data: bytes, by: str, note: str) -> Record:
    """The submission of this very content, which was there already; its note if it has none.

    Raises:
        UsageError: the newest one of this name is another.
    """
    found = office.shelf.line(keys.slug_of(inbox.name, name))
    if found is None or found[0].newest.sha256 != sha256_of(data):
        raise UsageError(
            f"another file was handed in as {name} at the same moment", hint="look at it, then submit again"
        )

    def step(now: Record) -> Record | None:
        if now.by or now.note or now.state.final:
            return None
        return now.changed(by=by, note=note)

    return office.shelf.change(found[0].newest.id, step) or office.shelf.record(found[0].newest.id)
