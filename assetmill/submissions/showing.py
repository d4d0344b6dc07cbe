"""Writing the pages of a submission, after each of its steps, until they say what the record says.

A step counts as soon as the record says so; its pages come after, and whoever finds them missing writes them. Two that
write pages of one submission at once may cross: each looks at the record again when done, and the last one to look has
written what is true. Beside the file only the newest version speaks; every version has a page of its own in the store.
"""

from __future__ import annotations

import json
import posixpath
from contextlib import suppress
from typing import Any

from assetmill.errors import AssetmillError, KeyMissing
from assetmill.submissions import keys, pages, papers
from assetmill.submissions.inbox import Arrival, Inbox
from assetmill.submissions.names import PAGE_KINDS, readable
from assetmill.submissions.office import Office
from assetmill.submissions.records import Record, State

_TRIES = 20
_KIND = {
    State.INVALID: "errors.html",
    State.PLANNED: "plan.html",
    State.AWAITING_APPROVAL: "plan.html",
    State.APPROVED: "plan.html",
    State.RUNNING: "plan.html",
}
_CLEARED = {
    "errors.html": ("plan.html",),
    "plan.html": ("errors.html", "errors.json"),
    "result.html": ("errors.html", "errors.json", "plan.html"),
}
"""Pages that are not true any more once there is one of a kind. What came of an older version stays until then."""


def kind_of(state: State) -> str:
    """Which page tells of a submission in this state."""
    return _KIND.get(state, "result.html")


def try_to_show(office: Office, record_id: str) -> None:
    """Write the pages if that is possible now; if not, `Desk.mend` does later. A step never fails for want of one."""
    with suppress(AssetmillError):
        show(office, record_id)


def show(office: Office, record_id: str) -> bool:
    """Write the pages of a submission unless they are there; mark it as closed when nothing can follow.

    Returns:
        Whether any were written.

    Raises:
        StorageError: the store or the inbox failed.
    """
    record = office.shelf.record(record_id)
    wrote = record.shown < len(record.history)
    for _ in range(_TRIES if wrote else 0):
        steps = len(record.history)
        _write(office, record)
        record = _note_shown(office, record_id, steps)
        if len(record.history) == steps:  # nobody went on meanwhile, whose pages ours may have replaced
            break
    if record.state.final and record.shown == len(record.history):
        office.shelf.mark(keys.closed_key(record.id))
    return wrote


def _note_shown(office: Office, record_id: str, steps: int) -> Record:
    """Write down that the pages tell of so many steps, and say what the record is now."""
    after = office.shelf.change(record_id, lambda now: now.changed(shown=max(now.shown, steps)))
    return after or office.shelf.record(record_id)


def _write(office: Office, record: Record) -> None:
    paper = paper_of(office, record)
    office.shelf.keep_page(record.id, pages.render(record, paper, _link_in_store))
    line = office.shelf.line(record.slug)
    inbox = office.inboxes.get(record.inbox)
    if inbox is not None and line is not None and line[0].newest.id == record.id:
        _write_beside(inbox, record, paper)


def _write_beside(inbox: Inbox, record: Record, paper: dict[str, Any]) -> None:
    kind = kind_of(record.state)
    inbox.show(record.name, kind, pages.render(record, paper, inbox.link))
    if kind == "errors.html":
        inbox.show(record.name, "errors.json", pages.errors_json(record, paper))
    inbox.clear(record.name, _CLEARED[kind])


def _link_in_store(key: str) -> str:
    """How the pages under private/ lead to other objects of the store."""
    return posixpath.relpath(key, keys.PAGES.rstrip("/"))


def paper_of(office: Office, record: Record) -> dict[str, Any]:
    """Details of a record; empty where it has none, or where they are gone."""
    if record.paper is None:
        return {}
    try:
        document: dict[str, Any] = json.loads(office.shelf.store.get(record.paper))
    except KeyMissing:
        return {}
    return document


def page_of(office: Office, record_id: str) -> bytes | None:
    """The page of a submission in the store; None before there is one."""
    try:
        return office.shelf.store.get(keys.page_key(office.shelf.record(record_id).id))
    except KeyMissing:
        return None


def show_foreign(office: Office, arrival: Arrival) -> None:
    """Answer a file that is no manifest; it gets no record, for there is nothing to do about it."""
    inbox = office.inboxes[arrival.inbox]
    paper: dict[str, Any] = json.loads(papers.foreign_document(readable(arrival.name), arrival.foreign))
    inbox.show(arrival.name, "errors.html", pages.render_foreign(readable(arrival.name), paper))
    inbox.show(arrival.name, "errors.json", pages.foreign_json(readable(arrival.name), paper))
    inbox.clear(arrival.name, [kind for kind in PAGE_KINDS if kind == "plan.html"])
