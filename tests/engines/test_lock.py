"""The engines are pinned to the byte, and nothing says where they are fetched from."""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
LOCK = (HERE / "package-lock.json").read_text(encoding="utf-8")


def test_every_package_is_locked_by_version_and_hash():
    packages = {name: entry for name, entry in json.loads(LOCK)["packages"].items() if name}
    assert {"node_modules/pixi.js", "node_modules/phaser3", "node_modules/phaser4"} <= packages.keys()
    assert [name for name, entry in packages.items() if not re.match(r"sha512-", entry.get("integrity", ""))] == []
    assert [name for name, entry in packages.items() if not re.match(r"\d+\.\d+\.\d+", entry["version"])] == []


def test_the_lock_names_no_host():
    assert "://" not in LOCK
    assert '"resolved"' not in LOCK


def test_engines_are_asked_for_by_exact_version():
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert [
        name for name, version in wanted.items() if not re.fullmatch(r"(npm:[\w.-]+@)?\d+\.\d+\.\d+", version)
    ] == []
