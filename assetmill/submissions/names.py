"""Which files of an inbox are manifests, which are ours, which are on their way, and what pages are called.

Artists see an inbox as a folder: what lies in it has names of people, pages of ours, halves of uploads and the litter
of their systems. Every name gets an answer here, from the name alone; nothing here looks at a file.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Literal, get_args

from assetmill.storage.base import MAX_PART_BYTES
from assetmill.submissions.keys import SUFFIXES, plain

Provider = Literal["draft", "runpod", "custom", "scenario", "comfyui"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
PAGE_KINDS = ("errors.html", "errors.json", "plan.html", "result.html")
"""Endings of the pages beside a file; `<name>.errors.html` lies beside `<name>`."""

_OURS = re.compile(r".+\.(?:errors\.html|errors\.json|plan\.html|result\.html)", re.DOTALL)
_HALVES = "part|partial|tmp|temp|crdownload|download|opdownload|filepart|swp|swx|lock"
_ON_ITS_WAY = re.compile(rf".*(?:\.(?:{_HALVES})|~)", re.IGNORECASE | re.DOTALL)
_LITTER = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DIGITS = 12


class Sort(StrEnum):
    """What a name stands for."""

    MANIFEST = "manifest"
    IGNORED = "ignored"
    FOREIGN = "foreign"


def sort_of(name: str) -> Sort:
    """What a file of this name is: ignored are hidden and temporary files, litter of systems, and our own pages."""
    hidden = name.startswith((".", "~$")) or name.lower() in _LITTER
    if hidden or _OURS.fullmatch(name) or _ON_ITS_WAY.fullmatch(name):
        return Sort.IGNORED
    return Sort.FOREIGN if _UNREADABLE.search(name) or suffix_of(name) is None else Sort.MANIFEST


def suffix_of(name: str) -> str | None:
    """How the bytes of a manifest of this name are kept: yaml, csv or tsv; None for other files."""
    return SUFFIXES.get(PurePosixPath(name).suffix.lower())


def provider_of(name: str) -> Provider | None:
    """Who draws, where the name says it: `my-game.draft.yaml`; None for whoever is configured."""
    asked = PurePosixPath(PurePosixPath(name).stem).suffix.lower().removeprefix(".")
    return next((provider for provider in PROVIDERS if provider == asked), None)


def name_with(name: str, provider: Provider | None) -> str:
    """A file name that says who draws: `my-game.yaml` for draft is `my-game.draft.yaml`."""
    if provider is None or provider_of(name) == provider:
        return name
    path = PurePosixPath(name)
    stem = path.stem if provider_of(name) is None else PurePosixPath(path.stem).stem
    return f"{stem}.{provider}{path.suffix}"


def plain_file(name: str) -> str:
    """What a manifest of this name is called once it is handed in: `Höhle & Wald.YML` is `hoehle-wald.yaml`.

    Whoever draws is no part of it: drafts of a table are drafts of the same game.
    """
    stem = PurePosixPath(name).stem
    return f"{plain(PurePosixPath(stem).stem if provider_of(name) else stem)}.{suffix_of(name)}"


def page_name(name: str, kind: str) -> str:
    """File name of a page beside a file; a name that would grow too long ends in some digits of its hash instead."""
    ending = f".{kind}"
    encoded = name.encode("utf-8", "surrogateescape")
    room = MAX_PART_BYTES - len(ending)
    if len(encoded) <= room:
        return name + ending
    digits = hashlib.sha256(encoded).hexdigest()[:_DIGITS]
    return encoded[: room - _DIGITS - 1].decode("utf-8", "ignore") + f"-{digits}{ending}"


def readable(name: str) -> str:
    """A file name as it can be written anywhere: what no page could hold is replaced."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", name)
