"""What an export needs of the place that its files go to: the store, or a folder with human names.

In the store a file is named by its hash and referred to relative to `blobs/<2>/`; in a folder it has the name
that a person would give it. A format asks the place for addresses and never makes one up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


def encoded(document: Mapping[str, Any]) -> bytes:
    """A document of one sheet as it is stored: UTF-8 JSON in the order in which it was made, for people to read too."""
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


class Place(Protocol):
    """Where the documents of one asset go."""

    @property
    def game(self) -> str:
        """Id of the game: two games may have an asset of one name."""
        ...

    def image(self, role: str) -> str:
        """Address of one of the asset's pictures, as a document of this place has to write it.

        Raises:
            KeyError: the asset has no such picture.
        """
        ...

    def put(self, role: str, name: str, data: bytes, content_type: str) -> str:
        """Keep a document, and return its address for documents that refer to it.

        Args:
            role: its role among the files of the asset; unique, a-z 0-9 _.
            name: what a person would call it, with extension: `pip-moves.json`.
            data: its bytes.
            content_type: JSON or TEXT.
        """
        ...
