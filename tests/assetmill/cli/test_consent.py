"""Who has to agree to a paid run: a person on a terminal, elsewhere `--yes` or a budget."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from assetmill.batch.prepare import Request, plan_only
from assetmill.cli.plan import show_plan
from assetmill.cli.run import ask_consent
from assetmill.errors import ConsentMissing
from assetmill.settings import Settings

MANIFEST = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}
"""
PAID = "http://127.0.0.1:9/v2/gpu"
NOTE = "about 1 of 2 pictures fit"


@pytest.fixture
def plans(tmp_path: Path) -> Any:
    (tmp_path / "tiny.yaml").write_text(MANIFEST)
    settings = Settings(_env_file=None, ASSETMILL_HOME=str(tmp_path / "out"), ASSETMILL_GPU_POOL="ADA_24")
    return lambda endpoint=PAID: plan_only(settings, Request(tmp_path / "tiny.yaml", endpoint))


class Desk:
    """A console, and somebody before it who may answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, says: str = "") -> None:
        self.out = io.StringIO()
        self.console = Console(file=self.out, force_terminal=terminal, no_color=True, highlight=False, width=200)
        monkeypatch.setattr("sys.stdin", io.StringIO(says))

    def ask(self, plan: Any, *, yes: bool = False, budgeted: bool = False) -> str:
        ask_consent(plan, yes=yes, budgeted=budgeted, note=NOTE, console=self.console)
        return self.out.getvalue()


@pytest.mark.parametrize("budgeted", (False, True))
def test_on_a_terminal_the_plan_and_what_the_budget_leaves_of_it_are_shown_before_the_question(
    monkeypatch, plans, capfd, budgeted
):
    shown = Desk(monkeypatch, terminal=True, says="y\n").ask(plans(), budgeted=budgeted)
    assert "background/sky" in shown
    assert NOTE in shown
    assert "Spend this?" in "".join(capfd.readouterr())


def test_on_a_terminal_a_no_sends_nothing_whatever_the_budget(monkeypatch, plans):
    with pytest.raises(ConsentMissing, match="not agreed; nothing was sent"):
        Desk(monkeypatch, terminal=True, says="n\n").ask(plans(), budgeted=True)


def test_without_a_terminal_nobody_is_asked_and_the_run_is_refused(monkeypatch, plans):
    with pytest.raises(ConsentMissing) as refused:
        Desk(monkeypatch, terminal=False, says="y\n").ask(plans())
    assert refused.value.exit_code == 3
    assert "--yes" in refused.value.hint
    assert "--max-cost" in refused.value.hint


@pytest.mark.parametrize("given", ({"yes": True}, {"budgeted": True}))
def test_without_a_terminal_a_yes_or_a_budget_is_enough(monkeypatch, plans, given):
    assert Desk(monkeypatch, terminal=False).ask(plans(), **given) == ""


@pytest.mark.parametrize("terminal", (False, True))
def test_drafts_never_ask(monkeypatch, plans, terminal):
    assert Desk(monkeypatch, terminal=terminal).ask(plans("draft")) == ""


@pytest.mark.parametrize(
    ("budget", "words"),
    (("0.0001", "the run's budget of $0.0001 is reached"), ("1000", None)),
)
def test_a_plan_says_what_its_budgets_leave_of_it_and_asks_no_network(
    tmp_path, plans, monkeypatch, capsys, budget, words
):
    plans()
    for name, value in {
        "ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_GPU_POOL": "ADA_24", "ASSETMILL_RUN_BUDGET_USD": budget,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    request = Request(tmp_path / "tiny.yaml", PAID)
    assert show_plan(request, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)["budget"]
    assert (told is None) if words is None else words in told
    show_plan(request, as_json=False)
    assert ("budget" in capsys.readouterr().out) is (words is not None)
