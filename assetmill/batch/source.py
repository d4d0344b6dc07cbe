"""Where a manifest comes from: a path, an http(s) address, or an object of the store.

What is not a file here is fetched whole into a folder of its own first, with the files that it includes, so that
nothing is ever read by halves and one reading is what the plan, the consent and the run are about. The books keep the
address, and errors name it. An address is written down in many places, so one that holds a credential is refused, and
never repeated.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from assetmill.batch.fetching import FETCH_S, checked_address, fetched, new_client, too_large
from assetmill.clock import Clock
from assetmill.errors import KeyMissing, UsageError
from assetmill.manifest import ManifestError
from assetmill.manifest.blocks import Block, Items
from assetmill.manifest.document import TABLE_SUFFIXES, YAML_SUFFIXES
from assetmill.manifest.limits import MAX_FILE_BYTES, MAX_INCLUDES
from assetmill.manifest.problems import Problem, Problems
from assetmill.manifest.textfile import read_text
from assetmill.manifest.yaml_reader import read_yaml
from assetmill.settings import Settings
from assetmill.storage.base import is_key

STORE = "store:"
SUFFIXES = (*YAML_SUFFIXES, *TABLE_SUFFIXES)
SUFFIX_OF = {
    "application/yaml": ".yaml",
    "application/x-yaml": ".yaml",
    "text/yaml": ".yaml",
    "text/x-yaml": ".yaml",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
}
"""The suffix that a content type stands for, where the address has none."""

Get = Callable[[str], tuple[bytes, str] | None]
"""Bytes and content type of what stands under a name; None if there is nothing."""


@dataclass(frozen=True, slots=True)
class Local:
    """A manifest that can be read.

    Args:
        path: the file.
        source: what the books call it; None where that is its path.
    """

    path: Path
    source: str | None


@contextmanager
def manifest_from(name: str, settings: Settings, clock: Clock) -> Iterator[Local]:
    """A manifest as a file, for as long as the block lasts. A ManifestError that leaves the block names the source.

    Args:
        name: a path, an http(s) address, or `store:KEY`.
        settings: the store.
        clock: measures how long fetching takes.

    Raises:
        UsageError: the address cannot be used, or gave no manifest.
        StorageError: the store could not be read.
    """
    if not name.startswith(STORE) and "://" not in name:
        yield Local(Path(name), None)
        return
    with tempfile.TemporaryDirectory(prefix="assetmill-manifest-") as folder:
        if name.startswith(STORE):
            source, local = name, _from_store(name.removeprefix(STORE), Path(folder), settings)
        else:
            address = checked_address(name)
            source, local = urlunsplit(address), _from_address(address, Path(folder), clock)
        try:
            yield Local(local, source)
        except ManifestError as error:
            raise ManifestError(_renamed(error.problems, local, source)) from None


def shown_name(name: str) -> str:
    """The file name at the end of a path, an address or a key, for titles; holds no credential and no query."""
    try:
        path = urlsplit(name).path if "://" in name else name.removeprefix(STORE)
    except ValueError:
        return "manifest"
    return unquote(path.rstrip("/").rpartition("/")[2]) or "manifest"


def _from_store(key: str, folder: Path, settings: Settings) -> Path:
    """Fetch a manifest from the store."""
    from assetmill.storage import open_store  # noqa: PLC0415  planning from a path opens no store, and loads no s3fs

    if not is_key(key):
        raise UsageError(f"{key[:200]!r} is no key of the store", hint="like store:manifests/game.yaml")
    store = open_store(settings.store_url, settings.store_access)
    above = key.rpartition("/")[0]

    def get(name: str) -> tuple[bytes, str] | None:
        full = f"{above}/{name}".lstrip("/")
        info = store.head(full) if is_key(full) else None
        if info is None:
            return None
        if info.size > MAX_FILE_BYTES:
            raise UsageError(too_large(f"{STORE}{full}"))
        try:
            return store.get(full), ""
        except KeyMissing:
            return None

    path = _saved(get, key.rpartition("/")[2], folder)
    if path is None:
        raise UsageError(f"the store has no {key}", hint=f"the store is {store.url}")
    return path


def _from_address(address: SplitResult, folder: Path, clock: Clock) -> Path:
    """Fetch a manifest over http(s)."""
    above, _, name = address.path.rpartition("/")
    end = clock.monotonic() + FETCH_S
    with new_client() as client:

        def get(wanted: str) -> tuple[bytes, str] | None:
            here = wanted == name
            path = address.path if here else f"{above}/{quote(wanted)}"
            url = urlunsplit(address._replace(path=path, query=address.query if here else ""))
            return fetched(client, url, lambda: clock.monotonic() > end)

        path = _saved(get, name, folder)
    if path is None:
        raise UsageError(f"there is no manifest at {urlunsplit(address)}", hint="look whether the address is right")
    return path


def _saved(get: Get, name: str, folder: Path) -> Path | None:
    """Save a manifest and what it includes; None if there is none. What an include lacks is for the loading to say."""
    found = get(name)
    if found is None:
        return None
    path = folder / _file_name(name, found[1])
    path.write_bytes(found[0])
    for included in _includes(path):
        target = folder / included
        more = get(included) if not target.exists() else None
        if more is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(more[0])
    return path


def _file_name(name: str, content_type: str) -> str:
    """Name of the file, whose suffix says how it is read.

    Raises:
        UsageError: neither the name nor the content type says what it is.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", unquote(name)).strip(".-") or "manifest"
    if Path(plain).suffix.lower() in SUFFIXES:
        return plain
    suffix = SUFFIX_OF.get(content_type)
    if suffix is None:
        told = f", and its content type {content_type} does not either" if content_type else ""
        raise UsageError(
            f"the name {plain!r} does not say what it is{told}", hint=f"a manifest ends in {', '.join(SUFFIXES)}"
        )
    return plain + suffix


def _includes(path: Path) -> Iterator[str]:
    """Names of files that a manifest includes and that lie in its folder or below."""
    if path.suffix.lower() not in YAML_SUFFIXES:
        return
    problems = Problems()
    try:
        text = read_text(path, path.name, problems)
        root = None if text is None else read_yaml(text, path.name, problems)
    except ManifestError:
        return
    names = root.get("include") if isinstance(root, Block) else None
    for name in names[:MAX_INCLUDES] if isinstance(names, Items) else ():
        if isinstance(name, str) and _lies_below(name):
            yield name


def _lies_below(name: str) -> bool:
    steps = PurePosixPath(name).parts
    outside = not steps or steps[0] == "/" or ".." in steps or "\\" in name or bool(PureWindowsPath(name).drive)
    return not outside and name.isprintable() and PurePosixPath(name).suffix.lower() in SUFFIXES


def _renamed(problems: tuple[Problem, ...], local: Path, source: str) -> Iterator[Problem]:
    """The problems of a fetched manifest, with the names that its author knows."""
    above = source.partition("?")[0].rpartition("/")[0]
    above = f"{above}/" if above else STORE

    def named(text: str) -> str:
        return text.replace(str(local), source).replace(f"{local.parent}/", above)

    for problem in problems:
        yield replace(problem, file=named(problem.file), message=named(problem.message))
