"""Proofs that are programs, with tests of what they are made of; and a folder with settings of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from assetmill.settings import Settings

HERE = Path(__file__).parent


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """The proofs' own modules by name; they find each other by their plain names, and are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(HERE))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(HERE)):
            del sys.modules[name]


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Callable[..., Settings]:
    """Settings from these variables and no others; the books lie in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def make(**variables: str) -> Settings:
        for field in Settings.model_fields.values():
            monkeypatch.delenv(str(field.alias), raising=False)
        for name, value in ({"ASSETMILL_HOME": str(tmp_path / "out")} | variables).items():
            monkeypatch.setenv(name, value)
        return Settings()

    return make
