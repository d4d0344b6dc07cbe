"""What a folder is made from: the published pack, read from the store and from nowhere else.

No manifest, ledger or picture is needed to lay out an export: the index says which files there are, and a sheet's
stored model says everything about its frames.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from assetmill.errors import KeyMissing, StorageError, UsageError
from assetmill.manifest.problems import nearest_name
from assetmill.packs import PackIndex, latest_key, load_latest
from assetmill.packs.keys import sha256_of
from assetmill.packs.parallel import in_threads
from assetmill.sheets.model import MODEL_ROLE, SheetModel
from assetmill.storage import Store

_PACKS = "packs/"
_LATEST = "/latest.json"


@dataclass(frozen=True, slots=True)
class Source:
    """A pack, or some assets of it.

    Args:
        index: the index, with the chosen assets only.
        index_sha256: hash of the whole index as it was published.
        models: models of its sheets, by asset id.
        sheets: AssetSheet documents of its sheets, by asset id.
    """

    index: PackIndex
    index_sha256: str
    models: Mapping[str, SheetModel]
    sheets: Mapping[str, dict[str, Any]]

    @property
    def without_model(self) -> tuple[str, ...]:
        """Sheets that were published before there were models."""
        return tuple(name for name, a in self.index.assets.items() if a.type == "sheet" and name not in self.models)


def read_source(store: Store, game: str, channel: str, only: Iterable[str] = ()) -> Source:
    """The pack that a channel publishes now.

    Args:
        store: where it is.
        game: the game.
        channel: which of its packs.
        only: assets to take; all if empty.

    Raises:
        UsageError: there is no such game, channel or asset; the nearest name is in the hint.
        StorageError: the store failed, or what it holds is damaged or of a newer format.
    """
    whole = _published(store, game, channel)
    index = whole.model_copy(update={"assets": _chosen(whole, tuple(only))})
    models = {name: key for name, asset in index.assets.items() if (key := asset.files.get(MODEL_ROLE))}
    sheets = {name: asset.sheet for name, asset in index.assets.items() if asset.sheet is not None}
    keys = sorted({*models.values(), *sheets.values()})
    data = dict(zip(keys, in_threads(lambda key: read_blob(store, key), keys), strict=True))
    return Source(
        index,
        whole.sha256,
        {name: _model(data[key], key) for name, key in models.items()},
        {name: _document(data[key], key) for name, key in sheets.items()},
    )


def read_blob(store: Store, key: str) -> bytes:
    """Bytes of a blob, which have the hash that it is named by.

    Raises:
        StorageError: it is gone or damaged, or the store failed.
    """
    try:
        data = store.get(key)
    except KeyMissing:
        raise StorageError(f"the pack needs {key}, which is gone", hint="publish the pack again") from None
    if sha256_of(data) not in key:
        raise StorageError(f"{key} is damaged: its bytes do not have the hash in its name", hint="restore the file")
    return data


def _model(data: bytes, key: str) -> SheetModel:
    try:
        return SheetModel.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise StorageError(
            f"{key} is no sheet model{f' at {where}' if where else ''}: {problem['msg']}",
            hint="written by a newer assetmill, or damaged",
        ) from None


def _document(data: bytes, key: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StorageError(f"{key} is no AssetSheet JSON", hint="publish the pack again")
    return document


def _published(store: Store, game: str, channel: str) -> PackIndex:
    try:
        latest_key(game, channel)
    except StorageError:
        index = None  # no such name can ever have been published
    else:
        index = load_latest(store, game, channel)
    if index is None:
        raise _unknown(store, game, channel)
    return index


def _unknown(store: Store, game: str, channel: str) -> UsageError:
    """Says what there is instead; listing everything is only worth it here."""
    found = [info.key for info in store.list(_PACKS) if info.key.endswith(_LATEST)]
    published = [tuple(key.removeprefix(_PACKS).removesuffix(_LATEST).split("/")) for key in found]
    games = sorted({parts[0] for parts in published})
    channels = sorted(parts[1] for parts in published if parts[0] == game)
    if channels:
        return UsageError(
            f"{game} publishes no channel {channel!r}",
            hint=f"{_instead('channels', channel, channels)}; --channel chooses",
        )
    return UsageError(f"no pack of game {game!r} is published in {store.url}", hint=_instead("games", game, games))


def _instead(things: str, word: str, names: list[str]) -> str:
    if not names:
        return "publish one first: assetmill run MANIFEST"
    near = nearest_name(word, names)
    return f"did you mean {near}?" if near else f"{things} there: {', '.join(names)}"


def _chosen(index: PackIndex, only: tuple[str, ...]) -> dict[str, Any]:
    for name in only:
        if name not in index.assets:
            hint = _instead("assets", name, sorted(index.assets)) if index.assets else "the pack is empty"
            raise UsageError(f"the pack has no asset {name!r}", hint=hint)
    return {name: index.assets[name] for name in sorted(only or index.assets)}
