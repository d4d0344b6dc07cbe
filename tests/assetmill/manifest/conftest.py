from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assetmill.manifest import Pack, load_pack

Load = Callable[..., Pack]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a manifest from text: `load(yaml)`, `load(csv=table)`, `load(yaml, {"enemies.csv": table})`."""

    def run(
        text: str = "",
        files: Mapping[str, str] | None = None,
        *,
        csv: str | bytes = "",
        name: str = "game",
        overrides: Mapping[str, Any] | None = None,
    ) -> Pack:
        path = tmp_path / (f"{name}.csv" if csv else f"{name}.yaml")
        content: str | bytes = csv or text
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        for file, body in (files or {}).items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(body, encoding="utf-8")
        return load_pack(path, overrides)

    return run
