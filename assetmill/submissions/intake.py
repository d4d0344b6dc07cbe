"""From a file in an inbox to a record: exactly once, whoever looks and however often.

Four writes, each of which may be the last before the power goes: the bytes, the line of versions, who was first with
these bytes, the record. The line decides: it is exchanged against what it was *before the file was read*, so an
ingester that read an old content late cannot bring it back. A record that is missing behind its line is made by whoever
looks next. Nothing here judges what is in a file.
"""

from __future__ import annotations

from assetmill.errors import Conflict, StorageError
from assetmill.manifest.limits import MAX_FILE_BYTES
from assetmill.packs.keys import sha256_of
from assetmill.packs.parallel import in_threads
from assetmill.submissions import keys
from assetmill.submissions.inbox import Arrival
from assetmill.submissions.names import plain_file, provider_of
from assetmill.submissions.office import Office
from assetmill.submissions.records import Record, State, Step
from assetmill.submissions.shelf import First, Line, Version
from assetmill.submissions.showing import try_to_show

_TRIES = 50
_NOT_WORTH_POINTING_AT = frozenset({State.FAILED, State.REJECTED, State.EXPIRED, State.SUPERSEDED, State.DUPLICATE})
"""Somebody else's submission that came to nothing: these bytes get a chance of their own."""


def take(office: Office, arrival: Arrival, *, by: str = "", note: str = "", again: bool = False) -> Record | None:
    """Pick a file up.

    Args:
        office: where.
        arrival: the file, neither waiting nor foreign.
        by: who hands it in.
        note: what they say.
        again: a new version even if nothing has changed.

    Returns:
        The new record, whether it will run or not; None when these bytes were picked up before, or the file has gone or
        changed since it was seen.

    Raises:
        StorageError: the store failed; taking it again is safe.
    """
    slug = keys.slug_of(arrival.inbox, arrival.name)
    for _ in range(_TRIES):
        found = office.shelf.line(slug)
        data = office.inboxes[arrival.inbox].read(arrival)
        if data is None or len(data) > MAX_FILE_BYTES:
            return None
        line, etag = found or (None, None)
        _check_line(line, arrival)
        sha256 = sha256_of(data)
        if line is not None and line.newest.sha256 == sha256 and not again:
            return made_record(office, line, line.newest)
        version = _version(office, line, slug, arrival, data, by, note)
        office.shelf.keep_bytes(version.id, version.file, data)
        longer = _longer(line, slug, arrival, version)
        if office.shelf.extend(longer, etag):
            return made_record(office, longer, version)
    raise Conflict(f"{arrival.name!r} is handed in by others all the time", hint="try again later")


def _check_line(line: Line | None, arrival: Arrival) -> None:
    if line is not None and (line.inbox, line.name) != (arrival.inbox, arrival.name):
        raise StorageError(
            f"{arrival.name!r} and {line.name!r} have ids that begin alike", hint="rename one of the files a little"
        )


def _version(
    office: Office, line: Line | None, slug: str, arrival: Arrival, data: bytes, by: str, note: str
) -> Version:
    """The next version of a line."""
    before = line.versions if line else ()
    sha256 = sha256_of(data)
    times = sum(one.id.startswith(keys.id_of(slug, sha256, 1)) for one in before)
    return Version(
        number=len(before) + 1,
        id=keys.id_of(slug, sha256, times + 1),
        sha256=sha256,
        size=len(data),
        file=plain_file(arrival.name),
        at=office.now(),
        by=by,
        note=note,
    )


def _longer(line: Line | None, slug: str, arrival: Arrival, version: Version) -> Line:
    before = line.versions if line else ()
    return Line(slug=slug, inbox=arrival.inbox, name=arrival.name, versions=(*before, version))


def made_record(office: Office, line: Line, version: Version) -> Record | None:
    """Make the record of a version, if nobody has; older versions that have not begun to run give way.

    Returns:
        The record if this call made it; None if it was there.
    """
    if office.shelf.find(version.id) is not None:
        return None
    record = _new_record(office, line, version)
    if not office.shelf.add(record):
        return None
    give_way(office, line, version)
    return record


def _new_record(office: Office, line: Line, version: Version) -> Record:
    first = _first(office, line, version)
    state = State.RECEIVED if first is None else State.DUPLICATE
    words = "" if first is None else "the same content was handed in before"
    return Record(
        id=version.id,
        slug=line.slug,
        inbox=line.inbox,
        name=line.name,
        version=version.number,
        sha256=version.sha256,
        size=version.size,
        file=version.file,
        received_at=version.at,
        by=version.by,
        note=version.note,
        provider=provider_of(line.name),
        state=state,
        history=(Step(state=state, at=version.at, words=words),),
        points_at=first,
        shown=1 if state is State.RECEIVED else 0,  # pages come with the first finding
    )


def _first(office: Office, line: Line, version: Version) -> str | None:
    """The submission under another name that these bytes repeat; None when they count under this one."""
    shelf, provider = office.shelf, provider_of(line.name)
    for _ in range(_TRIES):
        found = shelf.first(version.sha256, provider)
        first, etag = found or (None, None)
        if first is not None and first.slug == line.slug and first.id == version.id:
            return None
        if first is not None and first.slug != line.slug:
            other = shelf.find(first.id)
            if other is None or other.state not in _NOT_WORTH_POINTING_AT:
                return first.id
        if shelf.claim_first(version.sha256, provider, First(slug=line.slug, id=version.id), etag):
            return None
    raise Conflict(f"{line.name!r} is handed in by others all the time", hint="try again later")


def give_way(office: Office, line: Line, newest: Version) -> list[Record]:
    """Let all versions before this one give way that have not begun to run.

    Returns:
        Those that run: they are left alone, and the newer one comes after them.
    """
    older = [one for one in line.versions if one.number < newest.number]
    records = [one for one in in_threads(lambda version: office.shelf.find(version.id), older) if one is not None]
    for record in records:
        if not record.state.final and record.state is not State.RUNNING:
            superseded(office, record, newest.id)
    again = [office.shelf.find(one.id) for one in records if not one.state.final]
    return [one for one in again if one is not None and one.state is State.RUNNING]


def superseded(office: Office, record: Record, by: str) -> Record | None:
    """Let a version give way to a newer one, unless it has begun to run."""

    def step(now: Record) -> Record | None:
        if now.state.final or now.state is State.RUNNING:
            return None
        return now.moved(State.SUPERSEDED, office.now(), "a newer version of the file came", points_at=by)

    after = office.shelf.change(record.id, step)
    if after is not None:
        try_to_show(office, after.id)
    return after


def carried_on(office: Office, record_id: str) -> Record | None:
    """Make the record of bytes that have none, if their version counts; None if it does not, or has one by now."""
    found = office.shelf.line(keys.slug_of_id(record_id))
    if found is None:
        return None
    version = next((one for one in found[0].versions if one.id == record_id), None)
    return made_record(office, found[0], version) if version else None


def let_go(office: Office, record: Record) -> Record:
    """The record, superseded if a newer version has come and it has not begun to run."""
    if record.state.final or record.state is State.RUNNING:
        return record
    found = office.shelf.line(record.slug)
    if found is None or found[0].newest.number <= record.version:
        return record
    return superseded(office, record, found[0].newest.id) or office.shelf.record(record.id)
