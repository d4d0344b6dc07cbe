"""A copy of the worker image's files that a test may change, beside the workflows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assetmill.workflows import load_library

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repository(tmp_path):
    """The repository as far as the image is concerned."""
    shutil.copytree(ROOT / "runpod-worker", tmp_path / "runpod-worker", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows")
    return tmp_path


@pytest.fixture
def image(repository):
    return repository / "runpod-worker"


@pytest.fixture(scope="session")
def library():
    """The workflows as they stand."""
    return load_library(ROOT / "workflows")
