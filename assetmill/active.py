"""The store's active list: which manifests are run every night, and what each may cost.

The list stands in the store, not in a deployment: artists and machines share the store, and a list there needs no
deploy to change. What is added is a copy of the manifest under the hash of its bytes, so what runs at night is what
somebody looked at and added, whatever becomes of the file. The list is one document and is only ever exchanged
(compare-and-swap); nobody's entry is lost when two people change it at once. Nothing here runs anything.

::

    private/active.json                    the list
    private/active/<16 hex>/<file name>    a manifest, by the hash of its bytes; never changes
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from assetmill.batch.prepare import Priority
from assetmill.errors import Conflict, KeyMissing, StorageError, StoreBusy, UsageError
from assetmill.manifest import ManifestError, Pack, load_pack
from assetmill.manifest.models import AssetType
from assetmill.packs.keys import SHORT_HASH, sha256_of
from assetmill.planning.plan import ALL, Selection
from assetmill.storage import Store
from assetmill.storage.base import is_key_part

LIST_KEY = "private/active.json"
MANIFESTS = "private/active/"
STORE_SCHEME = "store:"
TRIES = 100  # each lost exchange means that somebody else's went through: so many changes would have to come between
JSON_TYPE = "application/json"
NO_CACHE = "no-cache"
PRIVATE = "private"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME_HINT = "names are a-z 0-9 _ - and begin with a letter or digit"


def _is_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(NAME_HINT)
    return name


class Entry(BaseModel):
    """One manifest of the list, and how it is run. Its fields are those of the batch flow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_is_name)] = Field(description="How the list calls it.")
    manifest: str = Field(min_length=1, description="store:KEY, an http(s) address, or a path on the worker.")
    source: str | None = Field(None, description="File that a copy was made of; null for anything else.")
    provider: Literal["draft", "runpod", "custom", "scenario", "comfyui"] | None = Field(
        None, description="Null: as the worker is configured."
    )
    endpoint: str | None = Field(None, description="RunPod endpoint id or address; goes above the provider.")
    budget_usd: Decimal | None = Field(
        None, ge=0, allow_inf_nan=False, description="Most that it may cost in one night."
    )
    priority: Priority = Field("normal", description="How its runs stand to others at the same endpoint.")
    only: tuple[str, ...] = Field((), description="Asset ids; empty: all.")
    types: tuple[AssetType, ...] = Field((), description="Asset types; empty: all.")
    added_at: AwareDatetime = Field(description="When.")

    def parameters(self, left_usd: Decimal | None) -> dict[str, Any]:
        """What the batch flow is called with.

        Args:
            left_usd: what the whole night may still spend; None for no limit. The smaller of this and the entry's own
                budget holds.
        """
        budgets = [amount for amount in (self.budget_usd, left_usd) if amount is not None]
        return {
            "manifest": self.manifest,
            "provider": self.provider,
            "endpoint": self.endpoint,
            "only": list(self.only) or None,
            "types": list(self.types) or None,
            "budget_usd": float(min(budgets)) if budgets else None,
            "priority": self.priority,
            "source": self.source,
        }


def checked(fields: Mapping[str, Any]) -> Entry:
    """An entry of what somebody has typed.

    Raises:
        UsageError: says which field cannot be.
    """
    try:
        return Entry.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"][:1]))
        raise UsageError(f"{field}: {first['msg']}", hint=Entry.model_fields[field].description or "") from None


class ActiveList(BaseModel):
    """The document at LIST_KEY."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    entries: tuple[Entry, ...] = ()

    def named(self, name: str) -> Entry | None:
        """The entry of a name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def chosen(self, names: tuple[str, ...]) -> tuple[Entry, ...]:
        """Entries of these names, in the list's order; all of them where none is named.

        Raises:
            UsageError: one of them is not on the list.
        """
        for name in names:
            if self.named(name) is None:
                raise _not_there(self, name)
        return tuple(entry for entry in self.entries if not names or entry.name in names)


def read_active(store: Store) -> ActiveList:
    """The list; empty where there is none yet.

    Raises:
        StorageError: the store failed, or what it holds is damaged or of a newer version.
    """
    return _read(store)[0]


def add(store: Store, entry: Entry) -> bool:
    """Put an entry on the list, in the place of one of the same name.

    Returns:
        Whether it is new; False where another one was replaced.
    """
    replaced: list[bool] = []

    def change(before: ActiveList) -> ActiveList:
        replaced[:] = [before.named(entry.name) is not None]
        kept = tuple(one for one in before.entries if one.name != entry.name)
        return before.model_copy(update={"entries": (*kept, entry)})

    _exchange(store, change)
    return not replaced[0]


def remove(store: Store, name: str) -> Entry:
    """Take an entry off the list; the copy of its manifest stays, for whoever wants to know what ran.

    Raises:
        UsageError: there is none of that name.
    """
    removed: list[Entry] = []

    def change(before: ActiveList) -> ActiveList:
        found = before.named(name)
        if found is None:
            raise _not_there(before, name)
        removed[:] = [found]
        return before.model_copy(update={"entries": tuple(one for one in before.entries if one != found)})

    _exchange(store, change)
    return removed[0]


def keep_manifest(store: Store, file: Path, selection: Selection = ALL) -> tuple[str, Pack]:
    """Check a manifest and copy it into the store.

    Args:
        store: where.
        file: a YAML manifest or a table that includes no other file.
        selection: the part of it that is to be run.

    Returns:
        `store:KEY` of the copy, and what is in it. The copy keeps the file's name: a table may name its game by it.

    Raises:
        ManifestError: with every problem, located.
        UsageError: it includes other files, which a copy of it alone would miss, or its name cannot be a key, or it
            has not what is selected.
    """
    if not is_key_part(file.name):
        raise UsageError(f"{file.name!r} cannot be a name in the store", hint="use A-Z a-z 0-9 . _ - in its name")
    data, pack = _alone(file)
    selection.check(pack)
    key = f"{MANIFESTS}{sha256_of(data)[:SHORT_HASH]}/{file.name}"
    with suppress(Conflict):  # these very bytes are there
        store.create(key, data, content_type="text/plain", cache_control=PRIVATE)
    return f"{STORE_SCHEME}{key}", pack


def _alone(file: Path) -> tuple[bytes, Pack]:
    """Bytes of a manifest, and what they say where no other file is near."""
    try:
        data = file.read_bytes()
    except OSError:
        load_pack(file)  # says what is wrong, in the words of every other command
        raise
    with TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        copy.write_bytes(data)
        try:
            return data, load_pack(copy)
        except ManifestError:
            load_pack(file)
    raise UsageError(
        f"{file} needs other files, and a night runs a copy of this one alone",
        hint="bring what it includes into one file, or name it by a path that every worker can read: --by-path",
    )


def _not_there(active: ActiveList, name: str) -> UsageError:
    known = ", ".join(entry.name for entry in active.entries) or "nothing"
    return UsageError(f"{name} is not on the active list", hint=f"on it: {known}")


def _read(store: Store) -> tuple[ActiveList, str | None]:
    try:
        data, etag = store.read(LIST_KEY)
    except KeyMissing:
        return ActiveList(), None
    try:
        return ActiveList.model_validate_json(data), etag
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise StorageError(
            f"{LIST_KEY} cannot be read{f' at {where}' if where else ''}: {first['msg']}",
            hint="written by a newer assetmill, or damaged",
        ) from None


def _exchange(store: Store, change: Callable[[ActiveList], ActiveList]) -> None:
    """Read, change and exchange until nobody else came between."""
    for _ in range(TRIES):
        before, etag = _read(store)
        data = change(before).model_dump_json(indent=1).encode()
        try:
            store.swap(LIST_KEY, data, etag=etag, content_type=JSON_TYPE, cache_control=NO_CACHE)
        except Conflict:
            continue
        return
    raise StoreBusy(f"{LIST_KEY} was changed by others {TRIES} times in a row", hint="try again")
