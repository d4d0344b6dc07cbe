"""The desk where submissions are worked on: everything that a flow, the command line or a test does with one.

Each method is one step that may be taken again, by anybody, at any time: of several that take it one succeeds, and the
others are told so by None. A step is written down before its pages are; pages that are missing are made by `mend`.
Nothing here knows of Prefect: a flow run is an id and an address.

The way of an ingest: `mend`, `arrivals`, `take` each, `examine` each that is `received`, then start a flow run for each
of `due`. The way of a flow run: `attach`; while it awaits approval `approve`, `reject` or `expire`; `begin`; `renew`
while it runs; `finish` or `fail`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from assetmill.clock import Clock
from assetmill.errors import AssetmillError, StorageError, UsageError
from assetmill.settings import Settings
from assetmill.submissions import examination, handing, intake, keys, running, showing
from assetmill.submissions.gate import agreed_usd, why_not_amount
from assetmill.submissions.handing import HandedIn
from assetmill.submissions.inbox import Arrival, Inbox
from assetmill.submissions.office import LEASE_S, Office, open_office
from assetmill.submissions.records import Approval, FlowRun, Record, State
from assetmill.submissions.shelf import ids_in, without_record

if TYPE_CHECKING:
    from assetmill.batch.report import BatchReport


@dataclass(frozen=True, slots=True)
class Mended:
    """What `mend` found half done.

    Args:
        made: records whose maker had died before they were there.
        shown: submissions whose pages were missing, and are there now.
        trouble: what could not be mended now, in words; it is tried again next time.
    """

    made: tuple[Record, ...] = ()
    shown: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


def open_desk(
    settings: Settings, clock: Clock | None = None, *, owner: str | None = None, lease_s: float = LEASE_S
) -> Desk:
    """The desk over the configured store and inboxes; nothing is read or written yet.

    Args:
        settings: store, inboxes, limits.
        clock: time and ids.
        owner: name under which claims are made, such as the id of a flow run; None for a fresh one.
        lease_s: how long a claim counts without a further word, seconds.

    Raises:
        UsageError, StorageError: the store cannot be opened so.
    """
    return Desk(open_office(settings, clock or Clock(), owner=owner, lease_s=lease_s))


class Desk:
    """Where submissions are worked on.

    Args:
        office: what the steps work with.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._shelf = office.shelf

    @property
    def owner(self) -> str:
        """Name under which this desk makes claims."""
        return self._office.owner

    @property
    def inboxes(self) -> Collection[Inbox]:
        """Where files arrive."""
        return self._office.inboxes.values()

    # What there is

    def arrivals(self) -> list[Arrival]:
        """Files in the inboxes that have not been dealt with as they are now, oldest first.

        Those that wait say why; `take` leaves them. A share that is away holds nobody else up: it waits as a whole.

        Raises:
            StorageError: the store cannot be listed.
        """
        seen = self._shelf.marked(keys.SEEN)
        found = [one for inbox in self.inboxes for one in self._looked(inbox)]
        return [one for one in found if keys.seen_key(one.inbox, one.state) not in seen]

    def _looked(self, inbox: Inbox) -> list[Arrival]:
        office = self._office
        try:
            return inbox.look(office.now(), office.settings.submission_quiet_s)
        except StorageError as error:
            if inbox.name == "store":
                raise
            return [Arrival(inbox.name, inbox.place(""), 0, "", waiting=error.message)]

    def records(self, states: Collection[State] = (), unreadable: list[str] | None = None) -> list[Record]:
        """All submissions, oldest first; only those in `states` if any are given.

        Those that this version cannot read are left out; words about them are added to `unreadable`.
        """
        found = self._shelf.records(ids_in(self._shelf.all_keys()), unreadable)
        return [record for record in found if not states or record.state in states]

    def open_records(self) -> list[Record]:
        """Submissions that something may still happen to, oldest first."""
        return self._shelf.records(_open_ids(self._shelf.all_keys()))

    def get(self, record_id: str) -> Record:
        """One submission.

        Raises:
            UsageError: there is no such submission.
        """
        return self._shelf.record(record_id)

    def due(self) -> list[Record]:
        """Submissions that need a flow run and have none: they await approval, or may run as soon as it is their turn.

        A version waits while an older one of the same name runs.
        """
        waiting = [record for record in self.open_records() if record.flow_run is None]
        return [
            record
            for record in waiting
            if record.state is State.AWAITING_APPROVAL or (record.state.waits_to_run and not self._older_runs(record))
        ]

    def its_turn(self, record: Record) -> bool:
        """Whether a run may begin now, or begin anew: nobody has to agree any more, and nobody else is at it."""
        if record.state is State.RUNNING:
            return not record.held_by_another("", self._office.now())
        return record.state.waits_to_run and not self._older_runs(record)

    def stuck(self) -> list[Record]:
        """Submissions whose run has not been heard of for longer than its claim: whoever ran them is gone.

        `begin` takes one over; `fail` gives it up.
        """
        now = self._office.now()
        return [
            r for r in self.open_records() if r.state is State.RUNNING and (r.claim is None or r.claim.until <= now)
        ]

    def page(self, record_id: str) -> bytes | None:
        """The HTML page of a submission as it is now; None before there is one."""
        return showing.page_of(self._office, record_id)

    def page_place(self, record_id: str) -> str:
        """Where the page of a submission lies, for people: its address in the store."""
        return f"{self._shelf.store.url.rstrip('/')}/{keys.page_key(record_id)}"

    def details(self, record: Record) -> dict[str, Any]:
        """What is wrong with a submission, or what its plan says of each picture; empty before it was examined."""
        return showing.paper_of(self._office, record)

    # What an ingest does

    def mend(self) -> Mended:
        """Carry on what somebody left half done: records behind their bytes, pages, versions that give way."""
        office, all_keys = self._office, self._shelf.all_keys()
        made, shown = [], []
        trouble: list[str] = []
        for record_id in sorted(without_record(all_keys)):
            try:
                record = intake.carried_on(office, record_id)
                made += [record] if record else []
            except AssetmillError as error:
                trouble.append(f"{record_id}: {error.message}")
        for record in self._shelf.records(_open_ids(all_keys), trouble):
            try:
                current = intake.let_go(office, record)
                shown += [record.id] if showing.show(office, current.id) else []
            except AssetmillError as error:
                trouble.append(f"{record.id}: {error.message}")
        return Mended(tuple(made), tuple(shown), tuple(trouble))

    def take(self, arrival: Arrival, *, by: str = "", note: str = "", again: bool = False) -> Record | None:
        """Pick a file up, if it may be and nobody has; one that is no manifest is answered with an errors page.

        Args:
            arrival: from `arrivals`.
            by: who hands it in.
            note: what they say.
            again: a new version even if its content is that of the newest one.

        Returns:
            The new record; its state is `received`, or `duplicate`, which is final. None when it waits, is no
            manifest, has gone, changed, or was picked up before.

        Raises:
            StorageError: a store or folder failed; taking it again is safe.
        """
        if arrival.waiting:
            return None
        record = None
        if arrival.foreign:
            showing.show_foreign(self._office, arrival)
        else:
            record = intake.take(self._office, arrival, by=by, note=note, again=again)
        self._shown(record)
        self._shelf.mark(keys.seen_key(arrival.inbox, arrival.state))
        return record

    def hand_in(self, name: str, data: bytes, *, by: str = "", note: str = "", again: bool = False) -> HandedIn:
        """Put a file into the inbox and pick it up at once, whoever else looks.

        Args:
            name: its file name; changed only where the inbox cannot bear it.
            data: the file.
            by: who hands it in.
            note: what they say.
            again: a new submission even if its content is that of the newest one.

        Raises:
            UsageError: it is no manifest by its name or size, or another file of this name came at the same moment.
            StorageError: the store or the inbox failed.
        """
        handed = handing.hand_in(self._office, name, data, by=by, note=note, again=again)
        self._shown(handed.record)
        return handed

    def examine(self, record: Record, *, limit: Decimal | None = None) -> Record | None:
        """Validate and plan a submission that is `received`.

        Args:
            record: whose.
            limit: the most that needs no approval, US dollars; None for what the settings say.

        Returns:
            The record, `invalid`, `planned` or `awaiting_approval`; still `received`, with `trouble`, when it could not
            be planned for a reason that is not the artist's. None when somebody else is at it, or was.
        """
        limit = self._office.settings.auto_approve_usd if limit is None else limit
        after = examination.examine(self._office, record.id, limit)
        if after is not None and after.state is not State.RECEIVED:
            showing.try_to_show(self._office, after.id)
        return after

    # What a flow run does

    def attach(self, record_id: str, flow_run: FlowRun, *, instead_of: str | None = None) -> Record | None:
        """Say which flow run looks after a submission; exactly one does.

        Args:
            record_id: whose.
            flow_run: the flow run.
            instead_of: id of the flow run that it replaces, which is known to be gone.

        Returns:
            The record when it is this flow run's now, or was before; None when it is another one's, or final.
        """

        def step(now: Record) -> Record | None:
            if now.flow_run is not None and now.flow_run.id == flow_run.id:
                return now
            if now.state.final or (now.flow_run is not None and now.flow_run.id != instead_of):
                return None
            return now.changed(flow_run=flow_run, shown=min(now.shown, len(now.history) - 1))  # pages lead to it

        return self._shown(self._shelf.change(record_id, step))

    def approve(self, record_id: str, *, by: str, amount_usd: Decimal | None = None, note: str = "") -> Record:
        """Let a submission run, at a cost of at most `amount_usd`.

        Args:
            record_id: whose.
            by: who agrees.
            amount_usd: the most that the run's plan may cost, not below the estimate; None for the plan's upper bound.
                Where nobody knows a price it has to be None.
            note: for the artist.

        Returns:
            The record, `approved`.

        Raises:
            UsageError: it does not await approval, or the amount cannot be.
        """
        office = self._office

        def step(now: Record) -> Record:
            _must_await(now)
            wrong = why_not_amount(now.plan, amount_usd)
            if wrong:
                raise UsageError(wrong, hint="`assetmill submissions show` has the figures")
            amount = agreed_usd(now.plan, amount_usd)
            said = Approval(approved=True, by=by, at=office.now(), amount_usd=amount, note=note)
            return now.moved(State.APPROVED, said.at, f"by {by}" if by else "", approval=said, budget_usd=amount)

        return self._sure(record_id, step)

    def reject(self, record_id: str, *, by: str, reason: str) -> Record:
        """Turn a submission down, and tell the artist why.

        Raises:
            UsageError: it does not await approval.
        """
        office = self._office

        def step(now: Record) -> Record:
            _must_await(now)
            said = Approval(approved=False, by=by, at=office.now(), reason=reason)
            return now.moved(State.REJECTED, said.at, reason, approval=said)

        return self._sure(record_id, step)

    def expire(self, record_id: str) -> Record | None:
        """End the waiting for approval when its time is up; None when it is not, or somebody decided."""
        office = self._office

        def step(now: Record) -> Record | None:
            at = office.now()
            if now.state is not State.AWAITING_APPROVAL or now.approve_by is None or at < now.approve_by:
                return None
            return now.moved(State.EXPIRED, at, f"nobody agreed to it within {office.settings.approval_hours:g} hours")

        return self._shown(self._shelf.change(record_id, step))

    def begin(self, record_id: str, flow_run: FlowRun) -> Record | None:
        """Begin to run a submission: of several flow runs exactly one does, and no two versions of a name run at once.

        A flow run that began it before may begin again, and one that has not been heard of for longer than its claim is
        replaced: three beginnings at most, then the submission is `failed`. Each has a run id of its own.

        Returns:
            The record, `running`, claimed for `lease_s` (see `renew`); what to run is its `manifest`, under the last of
            its `run_ids`, with its `name` as source, its `provider` and `budget_usd`. None: it is not to be run, or not
            yet.
        """
        if intake.let_go(self._office, self.get(record_id)).state.final or self._older_runs(self.get(record_id)):
            return None
        begun = self._shelf.change(record_id, lambda now: running.begun(self._office, now, flow_run))
        self._shown(begun)
        return begun if begun is not None and begun.state is State.RUNNING else None

    def renew(self, record_id: str, flow_run_id: str) -> bool:
        """Say that a run is alive; False when it is another one's by now, or has ended."""
        return self._shelf.change(record_id, lambda now: running.renewed(self._office, now, flow_run_id)) is not None

    def finish(self, record_id: str, report: BatchReport, flow_run_id: str) -> Record | None:
        """Write down what came of a run.

        Returns:
            The record: `done`, `done_with_failures` or `failed`. None when the run is another one's by now.
        """
        outcome = running.outcome_of(self._office.settings, self.get(record_id), report)
        step = self._shelf.change(
            record_id, lambda now: running.finished(self._office, now, outcome, report.ending, flow_run_id)
        )
        return self._shown(step)

    def fail(self, record_id: str, words: str, *, flow_run_id: str | None = None) -> Record | None:
        """Give a submission up.

        Args:
            record_id: whose.
            words: why, for the artist.
            flow_run_id: whose run it is; needed while it runs, unless its claim is over.

        Returns:
            The record, `failed`; None when it is final already, or another one's run.
        """
        return self._shown(
            self._shelf.change(record_id, lambda now: running.failed(self._office, now, words, flow_run_id))
        )

    def _older_runs(self, record: Record) -> bool:
        """Whether an older version of the same name runs; those that do not give way."""
        line = self._shelf.line(record.slug)
        version = next((one for one in line[0].versions if one.id == record.id), None) if line else None
        return bool(line and version and intake.give_way(self._office, line[0], version))

    def _sure(self, record_id: str, step: Callable[[Record], Record | None]) -> Record:
        record = self._shelf.change(record_id, step)
        if record is None:
            raise StorageError(f"{record_id} could not be changed", hint="try again")
        showing.try_to_show(self._office, record_id)
        return record

    def _shown(self, record: Record | None) -> Record | None:
        """The record, after its pages were written if it was changed."""
        if record is not None:
            showing.try_to_show(self._office, record.id)
        return record


def _open_ids(all_keys: frozenset[str]) -> set[str]:
    """Ids of submissions that are not marked as closed."""
    return {one for one in ids_in(all_keys) if keys.closed_key(one) not in all_keys}


def _must_await(record: Record) -> None:
    if record.state is not State.AWAITING_APPROVAL:
        raise UsageError(
            f"{record.id} is {str(record.state).replace('_', ' ')}", hint="only one that awaits approval can be decided"
        )
