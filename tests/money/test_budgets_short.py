"""A short form of the proof of budgets: a trial of four runs on each database, and proof that it sees what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SEED = 7


def prove(*arguments: str) -> str:
    command = [sys.executable, str(HERE / "budgets.py"), "--trials", "1", "--short", "--seed", str(SEED), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("database", ("sqlite", "postgresql"))
def test_runs_at_once_do_not_overspend_one_budget(database, request):
    ledger = ("--ledger", request.getfixturevalue("postgres").schema_url("budgets")) if database != "sqlite" else ()
    told = prove(*ledger)
    assert re.search(r"^within budget +1 of 1$", told, re.MULTILINE), told
    (moments,) = re.findall(r"^moments +(\d+) ", told, re.MULTILINE)
    (rows,) = re.findall(r"^attempts +(\d+)$", told, re.MULTILINE)
    assert int(moments) > 2 * int(rows) > 0, "each attempt was seen to be written and to change"


def test_a_seed_draws_the_same_trial_for_ever(parts):
    draw = parts("budgets_scene").draw
    assert draw(3) == draw(3) != draw(4)
    assert (len(draw(3).manifests), len(draw(3, short=True).manifests)) == (8, 4)


def test_a_budget_holds_one_job_at_least_in_every_trial(parts):
    for seed in range(200):
        trial = parts("budgets_scene").draw(seed)
        assert trial.limit_usd > trial.need_usd


@pytest.mark.parametrize("which", ("most_usd", "spent_usd", "executed_usd"))
def test_the_judge_sees_a_budget_that_was_overspent(parts, which):
    trial, play = parts("budgets_scene").draw(5), parts("budgets_play")
    played = play.Played(trial, **{which: trial.limit_usd + Decimal("0.00000001")})
    play.judge_amounts(played)
    assert len(played.wrong) == 1
    fine = play.Played(trial, **{which: trial.limit_usd})
    play.judge_amounts(fine)
    assert fine.wrong == []


def test_the_judge_sees_a_run_that_gave_up_though_there_was_money(parts):
    trial, play = parts("budgets_scene").draw(5), parts("budgets_play")
    left = trial.limit_usd - trial.need_usd - Decimal("0.000001")
    early = play.Played(trial, spent_usd=left, reached=1, codes=Counter({3: 1}))
    play.judge_ends(trial, [], early)
    assert "has given up" in early.wrong[0]
    in_time = play.Played(trial, spent_usd=left + Decimal("0.000002"), reached=1)
    play.judge_ends(trial, [], in_time)
    assert in_time.wrong == []


def test_the_judge_sees_pictures_that_were_left_without_saying_so(parts):
    trial, play = parts("budgets_scene").draw(5), parts("budgets_play")
    for code, wrong in ((0, 1), (3, 0)):
        played = play.Played(trial)
        play.judge_ends(trial, [{"failures": [{"error": "budget_exceeded"}], "exit_code": code}], played)
        assert len(played.wrong) == wrong
