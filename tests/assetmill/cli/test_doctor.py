"""`doctor`: words for people, one object for scripts, and an exit code for both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.ledger import Ledger
from assetmill.settings import Settings, variables_of


@pytest.fixture
def doctor(tmp_path: Path) -> Callable[..., Any]:
    """The command in a folder of its own, with no settings but those given."""
    own = {variable: "" for name in Settings.model_fields for variable in variables_of(name)}
    own |= {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_ENDPOINT_FILE": str(tmp_path / "endpoint.yaml")}

    def run(*arguments: str, **variables: str) -> Any:
        return CliRunner().invoke(app, ["doctor", *arguments], env=own | variables, catch_exceptions=False)

    return run


def test_an_endpoint_of_drafts_can_do_everything_and_is_forgotten_again(doctor, tmp_path):
    done = doctor("--endpoint", "draft")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "draft (draft, draws placeholders)"
    [plain] = [line for line in lines if line.startswith("  yes     background (from words), background (from a ")]
    assert plain.endswith("parallax (decompose)"), "what stands alike is told together"
    assert "  asked by 1 job that could not run, about $0.00" in lines
    assert lines[-1] == "draft: can do entity, background, title_hero, sheet, parallax"
    with Ledger.open(f"sqlite:///{tmp_path / 'out' / 'ledger.db'}") as ledger:
        assert ledger.abilities.read() == []


def test_a_script_gets_one_object_and_the_code_that_stands_in_it(doctor):
    done = doctor("--json", RUNPOD_COMFYUI_ENDPOINT_ID="abcdefghij0")
    told = json.loads(done.stdout)
    assert {check["name"] for check in told["checks"]} == {"settings", "books", "store", "prefect"}
    assert [one["endpoint"] for one in told["endpoints"]] == ["runpod"]
    assert done.exit_code == told["exit_code"] == 4


def test_a_name_that_means_nothing_is_a_wrong_call(doctor):
    assert doctor("--endpoint", "drafd").exit_code == 2


def test_without_an_endpoint_each_phase_says_how_it_stands_and_what_is_next(doctor):
    done = doctor(IMAGE_GENERATION_PROVIDER="runpod", RUNPOD_API_KEY="a-key-of-sixteen", COLUMNS="400")
    lines = done.stdout.splitlines()
    begin = lines.index("workers of our own (docs/runbook.md)") + 1
    told = [line[:12].split() for line in lines[begin:] if line and line[2] != " "][:5]
    assert told == [["unknown", "1"], ["not", "yet", "2"], ["not", "yet", "3"], ["not", "yet", "4"], ["done", "5"]]
    assert "            next: `assetmill endpoint apply` makes one and prints the line for .env" in lines
