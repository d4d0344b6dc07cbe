"""Reading a manifest's text: bounded, strictly UTF-8, and every fault located before any parser sees it.

It never guesses another encoding: a wrong guess would put wrong words into paid prompts.
"""

from __future__ import annotations

import re
from pathlib import Path

from assetmill.manifest.limits import MAX_FILE_BYTES
from assetmill.manifest.problems import Place, Problems

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, file: str, problems: Problems, *, at: Place | None = None, named_by: str = "") -> str | None:
    """Text of a file without byte-order mark, or None after noting why not.

    Args:
        path: the file.
        file: its name in messages.
        problems: collector.
        at: place that names the file, if another file does.
        named_by: path of that place in its document.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            problems.add(at or Place(file), named_by, f"{file} is not a file")
            return None
        if size > MAX_FILE_BYTES:
            problems.add(Place(file), "", f"the file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
            return None
        data = path.read_bytes()
    except OSError as error:
        problems.add(at or Place(file), named_by, f"cannot read {file}: {error.strerror or error}")
        return None
    return _decode(data, file, problems)


def _decode(data: bytes, file: str, problems: Problems) -> str | None:
    if data.startswith(_UTF16):
        problems.add(Place(file), "", "the file is UTF-16", expected="UTF-8; save it again as UTF-8")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", errors="replace").removeprefix("\ufeff")
        problems.add(
            _place_after(before, file),
            "",
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            expected="UTF-8 text; save the file again as UTF-8",
        )
        return None
    if control := _CONTROL.search(text):
        code = ord(control[0])
        problems.add(_place_after(text[: control.start()], file), "", f"control character U+{code:04X} in the text")
        return None
    return text


def _place_after(before: str, file: str) -> Place:
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
