"""Fetch models of the lock, and keep a file only when its size and its sha256 are those of the lock.

It runs inside of the worker image while that is built, and once on any machine that has a network volume mounted, so
it needs Python and nothing else. It must never keep or use a file that was not checked: what is on its way bears the
name `<file>.part`, and a model without a checksum ends it before anything is fetched.

    python fetch_models.py --lock models.lock --into /comfyui/models --sets core --place image
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import re
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHUNK = 1 << 22
TRIES = 6
TIMEOUT_S = 120
WHOLE_RANGE_REFUSED = 416
PERMANENT = frozenset({400, 401, 403, 404, 410})
CHECKSUM = re.compile(r"[0-9a-f]{64}")


class CannotFetch(Exception):  # noqa: N818  it says what happened
    """A model cannot be had as the lock has it."""


def chosen(lock: Mapping[str, Any], sets: Sequence[str], place: str) -> list[dict[str, Any]]:
    """Models of some sets, of one place or of `all` places.

    Raises:
        CannotFetch: a set that the lock does not have, or a model without checksum or size.
    """
    models = lock["model"]
    unknown = sorted(set(sets) - {model["set"] for model in models})
    if unknown:
        raise CannotFetch(f"the lock has no set {', '.join(unknown)}")
    wanted = [model for model in models if model["set"] in sets and place in ("all", model["place"])]
    for model in wanted:
        if not CHECKSUM.fullmatch(str(model.get("sha256", ""))) or not isinstance(model.get("size"), int):
            raise CannotFetch(
                f"{model['file']} has no checksum in the lock, and is not fetched without one: run"
                " `assetmill worker-image lock` where the hub can be reached, and look over what it changed"
            )
    return wanted


def fetch(model: Mapping[str, Any], into: Path, token: str | None, pause_s: float) -> str:
    """Put one model where it belongs; what became of it, in a word.

    Raises:
        CannotFetch: it cannot be had, or what came is not what the lock names.
    """
    target = into / model["folder"] / model["file"]
    if target.is_file() and _is(target, model):
        return "there already"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    _download(model, part, token, pause_s)
    if not _is(part, model):
        size, found = part.stat().st_size, _sha256(part)
        part.unlink()
        raise CannotFetch(
            f"{model['file']} is not what the lock names: {size} bytes with sha256 {found}, expected {model['size']}"
            f" bytes with {model['sha256']}"
        )
    part.replace(target)
    return "fetched"


def _download(model: Mapping[str, Any], part: Path, token: str | None, pause_s: float) -> None:
    """Fetch the rest of a file; a broken connection goes on where it broke, after a pause that doubles."""
    for tried in range(TRIES):
        if tried:
            time.sleep(pause_s * 2 ** (tried - 1))
        try:
            _go_on(model["url"], part, model["size"], token)
        except urllib.error.HTTPError as error:
            if error.code in PERMANENT:
                raise CannotFetch(f"{model['url']} answers {error.code} {error.reason}") from error
            if error.code == WHOLE_RANGE_REFUSED:
                part.unlink(missing_ok=True)
            print(f"  {error.code} {error.reason}", flush=True)
        except (OSError, http.client.HTTPException) as error:
            print(f"  {error}", flush=True)
        if part.is_file() and part.stat().st_size >= model["size"]:
            return
    raise CannotFetch(f"{model['url']} did not arrive in {TRIES} tries")


def _go_on(url: str, part: Path, size: int, token: str | None) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    request = urllib.request.Request(url)  # noqa: S310  addresses stand in the lock, which is reviewed
    if have:
        request.add_header("Range", f"bytes={have}-")
    if token:  # not passed on to wherever the hub redirects to
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310  see above
        mode = "ab" if answer.status == http.HTTPStatus.PARTIAL_CONTENT else "wb"
        with part.open(mode) as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                if file.tell() > size:
                    return


def _is(path: Path, model: Mapping[str, Any]) -> bool:
    return path.stat().st_size == int(model["size"]) and _sha256(path) == str(model["sha256"])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is asked for; 1 if a file cannot be had as the lock has it."""
    parser = argparse.ArgumentParser(description="Fetch models of the lock, each checked by size and sha256.")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="a ComfyUI models folder")
    parser.add_argument("--sets", default="core", help="names behind commas")
    parser.add_argument("--place", choices=("image", "anywhere", "all"), default="all")
    parser.add_argument("--token-file", type=Path, help="a hub token, for repositories that ask for one")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds before the second try")
    asked = parser.parse_args(arguments)
    token = asked.token_file.read_text().strip() if asked.token_file and asked.token_file.is_file() else None
    try:
        lock = tomllib.loads(asked.lock.read_text(encoding="utf-8"))
        models = chosen(lock, [name.strip() for name in asked.sets.split(",") if name.strip()], asked.place)
        for model in models:
            print(f"{model['folder']}/{model['file']} ({model['size']:,} bytes)", flush=True)
            print(f"  {fetch(model, asked.into, token, asked.pause)}", flush=True)
    except CannotFetch as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
