"""Where people find what a run has made: an address that any browser opens, or else a path or a key in words.

Both are made of the store's address, which never holds a secret; no address is signed here.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from assetmill.storage.base import Store


def web_address(store: Store, key: str) -> str | None:
    """Where any browser can fetch an object; None where only a path or a key says where it is."""
    address = store.public_url(key)
    return address if address and address.startswith(("http://", "https://")) else None


def place(store: str, key: str) -> str:
    """Path of an object in a store in a local folder, its address in another."""
    if store.startswith("file:"):
        return str(Path(url2pathname(urlsplit(store).path)) / key)
    return f"{store.rstrip('/')}/{key}"
