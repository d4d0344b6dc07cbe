"""Laws of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(p for room in ("assetmill", "flows", "tasks") for p in (ROOT / room).rglob("*.py"))
LONGEST = 450


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=names)
def test_a_module_says_why_it_exists_and_stays_short(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= LONGEST


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "settings.py"], ids=names)
def test_only_settings_read_the_environment(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\bos\.(environ|getenv)\b|from os import .*(environ|getenv)", text)


def test_no_flow_or_task_bears_the_name_of_another_module():
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    stems = {p.stem for room in ("flows", "tasks") for p in (ROOT / room).glob("*.py")} - {"__init__"}
    assert not stems & (taken - {"flows", "tasks", "assetmill"})


def test_tasks_do_not_import_each_other_and_flows_hold_no_other_flow():
    for path in (ROOT / "tasks").glob("*.py"):
        assert not re.search(r"^\s*(from|import) tasks\b", path.read_text(), re.MULTILINE), path.name


def test_files_name_no_registry_no_machine_and_no_key():
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607  whichever git the checkout was made with
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "registry" + r"\.npmjs"))
    forbidden = re.compile(rf"{hosts}|(?<![\w./])/(?:root|home/\w+)/|rpa_[A-Za-z0-9]{{20}}")
    found = []
    for name in listed.stdout.splitlines():
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data and forbidden.search(data.decode("utf-8", "replace")):
            found.append(name)
    assert found == []


def test_env_example_names_every_variable_that_is_read():
    from assetmill.settings import Settings  # noqa: PLC0415  imported where it is looked at

    text = (ROOT / ".env.example").read_text()
    missing = [
        f.alias
        for f in Settings.model_fields.values()
        if f.alias and not re.search(rf"^{f.alias}=", text, re.MULTILINE)
    ]
    assert missing == []
