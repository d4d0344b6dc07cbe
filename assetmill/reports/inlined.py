"""Parts of a page that is one file: styles, scripts and data stand in it, and nothing else is ever run.

The pages are opened from disk and from stores, and show names that others chose. So a Content-Security-Policy allows
exactly the scripts that are ours, by their hashes, and data can never end the element that it stands in.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from importlib import resources


def resource(name: str) -> str:
    """Text of a file of this room."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def inline_script(names: Iterable[str]) -> str:
    """Scripts of this room as one that leaves no name behind in the page."""
    body = "\n".join(resource(name) for name in names)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def csp_source(text: str) -> str:
    """Content-Security-Policy source that allows exactly this inline text, and no injected one."""
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def script_json(value: object) -> str:
    """JSON that cannot end or comment out the script element around it, whatever the strings hold.

    Non-ASCII, and with it U+2028 and U+2029, is escaped by `json`; the three characters that begin
    markup are escaped here. A JSON parser reads all of them back unchanged.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
