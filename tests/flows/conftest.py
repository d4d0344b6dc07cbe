"""One Prefect server for all flow tests, started the way the command line starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assetmill.cli.prefect_server import prefect_api
from assetmill.settings import Settings

ASSETS = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: slime, type: entity, prompt: a green slime, shape: circle, silhouette: {canvas: 64x64}}
  - {id: crate, type: entity, prompt: a wooden crate, silhouette: {canvas: 64x64}}
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.out))


@dataclass
class Terminal:
    """The `assetmill` program in a folder of its own, with nothing of ours in its environment."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, **variables: str) -> Result:
        command = [sys.executable, "-P", "-m", "assetmill.cli", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment | variables, capture_output=True, text=True, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def manifest(self, text: str = ASSETS) -> str:
        (self.folder / "tiny.yaml").write_text(text)
        return "tiny.yaml"


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_api(tmp_path_factory.mktemp("prefect"), None) as url:
        yield url


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    names = {str(field.alias) for field in Settings.model_fields.values()}
    environment = {key: value for key, value in os.environ.items() if key not in names}
    environment |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    return Terminal(tmp_path, environment)
