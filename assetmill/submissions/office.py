"""What every step of a submission needs: where things are kept, where they arrive, the time, and a name of one's own.

Opening it reads and writes nothing. A store that is a folder is looked into as a folder: what artists drop there by
hand has names that no key could bear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assetmill.clock import Clock
from assetmill.settings import Settings
from assetmill.storage import Store, open_store
from assetmill.storage.local import FileStore
from assetmill.submissions.folder import FolderInbox
from assetmill.submissions.inbox import Inbox, StoreInbox
from assetmill.submissions.keys import INBOX
from assetmill.submissions.shelf import Shelf

LEASE_S = 120.0  # examining 20,000 assets takes some ten seconds


@dataclass(frozen=True, slots=True)
class Office:
    """What the steps work with.

    Args:
        settings: limits, and how plans are made.
        shelf: documents.
        inboxes: by name.
        clock: time and ids.
        owner: name under which claims are made; nobody else has it.
        lease_s: how long a claim counts without a further word, seconds.
    """

    settings: Settings
    shelf: Shelf
    inboxes: Mapping[str, Inbox]
    clock: Clock
    owner: str
    lease_s: float = LEASE_S

    def now(self) -> datetime:
        """The time."""
        return self.clock.now()


def open_office(settings: Settings, clock: Clock, *, owner: str | None = None, lease_s: float = LEASE_S) -> Office:
    """Everything that the settings name; nothing is read or written yet.

    Raises:
        UsageError, StorageError: the store cannot be opened so.
    """
    store = open_store(settings.store_url, settings.store_access)
    inboxes = {inbox.name: inbox for inbox in _inboxes(store, settings.submissions_folder)}
    return Office(settings, Shelf(store), inboxes, clock, owner or clock.new_id(), lease_s)


def _inboxes(store: Store, folder: Path | None) -> list[Inbox]:
    """The store's own inbox, and the folder of the settings unless it is the same."""
    if not isinstance(store, FileStore):
        own: list[Inbox] = [StoreInbox(store)]
    else:  # read as a folder, so that names need not be keys
        path = store.root / INBOX
        own = [FolderInbox(path, store, name="store", within=INBOX.rstrip("/"))]
        if folder is not None and folder.resolve() == path.resolve():
            return own
    return own if folder is None else [*own, FolderInbox(folder.absolute(), store)]
