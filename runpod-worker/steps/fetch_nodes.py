"""Fetch the node packs of the lock, each at its commit and at no other.

It runs inside of the worker image while that is built; it needs Python and git. A branch, a tag or a version would be
whatever their owners make of them; a commit is its content. It must never install anything: what a pack's own
requirements name floats, so what our nodes need is listed in node-requirements.txt.

    python fetch_nodes.py --lock models.lock --into /comfyui/custom_nodes
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COMMIT = re.compile(r"[0-9a-f]{40}")
MARK = ".assetmill-commit"


class CannotFetch(Exception):  # noqa: N818  it says what happened
    """A node pack cannot be had as the lock has it."""


def fetch(node: Mapping[str, Any], into: Path) -> None:
    """Put one pack into its folder, without its history.

    Raises:
        CannotFetch: its commit is none, or cannot be had.
    """
    commit = str(node.get("commit", ""))
    if not COMMIT.fullmatch(commit):
        raise CannotFetch(f"{node['name']} is not pinned by a commit: {commit or 'nothing'}")
    folder = into / node["folder"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet")
    _git(folder, "fetch", "--quiet", "--depth", "1", node["repository"], commit)
    _git(folder, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    found = _git(folder, "rev-parse", "HEAD")
    if found != commit:
        raise CannotFetch(f"{node['repository']} gave {found} for {commit}")
    shutil.rmtree(folder / ".git")
    (folder / MARK).write_text(commit + "\n", encoding="utf-8")


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  words of the lock
    if done.returncode:
        raise CannotFetch(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch every pack; 1 if one cannot be had as the lock has it."""
    parser = argparse.ArgumentParser(description="Fetch the node packs of the lock by commit.")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="ComfyUI's custom_nodes folder")
    asked = parser.parse_args(arguments)
    try:
        for node in tomllib.loads(asked.lock.read_text(encoding="utf-8"))["node"]:
            fetch(node, asked.into)
            print(f"{node['folder']}: {node['commit']}", flush=True)
    except CannotFetch as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
