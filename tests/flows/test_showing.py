"""What a plan shows of itself in Prefect, as text: every figure is the plan's own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from assetmill.batch.report import duration_words
from assetmill.manifest import load_pack
from assetmill.money import usd
from assetmill.planning.history import NOTHING
from assetmill.planning.plan import Plan
from assetmill.planning.planner import make_plan
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import load_library
from flows.showing import plan_markdown

GPU = Endpoint("runpod", "runpod", "https://x.invalid/v2/e", None, "flux", 3, Decimal("0.0003"), "a list", "ADA_24")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    things = "".join(f"  - {{id: thing{n}, type: entity, prompt: a thing, shape: circle}}\n" for n in range(60))
    head = "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: p, name: P}\nassets:\n"
    (tmp_path / "tiny.yaml").write_text(head + things)
    return make_plan(load_pack(tmp_path / "tiny.yaml"), NOTHING, GPU, load_library())


def cells(line: str) -> list[str]:
    return [cell.strip().strip("*").replace("\\", "") for cell in line.strip("|").split("|")]


def test_a_plan_lists_its_choices_with_time_and_money_and_its_own_row_in_bold(plan):
    lines = plan_markdown(plan).splitlines()
    first = lines.index("## Choices") + 4
    shown = lines[first : first + len(plan.total.choices)]
    assert [cells(line)[0] for line in shown][:4] == ["1", "2", "3", "6 (more than configured)"]
    for line, choice in zip(shown, plan.total.choices, strict=True):
        _, gpu, done_in, cost, _, times = cells(line)
        assert (done_in, cost) == (duration_words(choice.elapsed.estimate), usd(choice.cost.estimate))
        assert gpu.startswith(str(choice.pool))
        assert times == "priors"
    assert [line.startswith("| **") for line in shown].count(True) == 1
    assert shown[2].startswith("| **3**")


def test_a_plan_of_drafts_has_no_choices(plan):
    draft = replace(GPU, kind="draft", usd_per_s=Decimal(0))
    made = make_plan(plan.pack, NOTHING, draft, load_library())
    assert "## Choices" not in plan_markdown(made)
