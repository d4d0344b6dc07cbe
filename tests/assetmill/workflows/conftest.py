"""The library as it is shipped, a fresh copy of a graph to break, and recorded ComfyUI versions."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assetmill.workflows import Contract, Library, load_library

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def recordings_folder() -> Path:
    return REPOSITORY / "tests" / "fixtures" / "object_info"


@pytest.fixture(scope="session")
def object_infos(recordings_folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in recordings_folder.glob("*.json")}


@pytest.fixture(scope="session")
def library() -> Library:
    return load_library(REPOSITORY / "workflows")


@pytest.fixture
def contract(library: Library) -> Contract:
    return library.contract


@pytest.fixture
def graph_of(library: Library) -> Callable[[str], dict[str, Any]]:
    """A deep copy of a workflow's graph, free to be broken."""
    return lambda name: copy.deepcopy(dict(library.get(name).graph))


@pytest.fixture
def workflows_copy(tmp_path: Path) -> Path:
    """A copy of the workflows folder, free to be broken."""
    return Path(shutil.copytree(REPOSITORY / "workflows", tmp_path / "workflows"))
