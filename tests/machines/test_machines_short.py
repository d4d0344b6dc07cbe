"""A short form of the proof with several machines, and proof that its judge sees what is wrong.

`make machines` plays it at length, with the waiting times of production; here two games are enough, and less patience.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
QUICK = ("--games", "2", "--assets", "3", "--seconds", "2", "--zombie-s", "40", "--quick")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The judge, which finds its neighbours by their plain names."""
    before, path = set(sys.modules), list(sys.path)
    monkeypatch.syspath_prepend(str(HERE))
    yield importlib.import_module("judge")
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(HERE.parent)):
            del sys.modules[name]


@pytest.mark.timeout(900)
def test_a_machine_that_dies_in_the_middle_costs_no_job_and_no_picture(postgres: Any, tmp_path: Path) -> None:
    if not postgres.say("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"):
        pytest.skip("this PostgreSQL has no pg_trgm, which Prefect needs")
    command = [sys.executable, str(HERE / "proof.py"), *QUICK, "--scratch", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^violations +0$", done.stdout, re.MULTILINE)
    assert re.search(r"^jobs executed +6$", done.stdout, re.MULTILINE)
    assert re.search(r"^rows +6, [1-6] of them open when the machine died$", done.stdout, re.MULTILINE)
    assert not re.search(r"'(RUNNING|PENDING)'", done.stdout)


def ran(judge: ModuleType, *times: tuple[float, float | None]) -> list[Any]:
    return [judge.Ran(f"job-{n}", f"attempt-{n}", "COMPLETED", *both) for n, both in enumerate(times)]


def test_work_remains_from_the_first_start_to_the_last_of_each_time_that_batches_were_started(judge):
    jobs = ran(judge, (10, 12), (11, 13), (12, 14), (50, 52), (53, 55))
    assert judge.waiting_spans(jobs, [9, 40]) == [judge.Span(10, 12), judge.Span(50, 53)]
    assert judge.waiting_spans(jobs, [9, 52]) == [judge.Span(10, 50)]


def test_idle_workers_count_only_while_jobs_were_waiting(judge):
    jobs = ran(judge, (0, 2), (0, 2), (2, 4), (3, 5), (4, 100))
    spans = judge.waiting_spans(jobs, [0])
    assert spans == [judge.Span(0, 4)]
    assert judge.utilisation(jobs, spans, 2) == pytest.approx((2 + 2 + 2 + 1) / 8)
    assert judge.utilisation([], [], 3) == 1.0


def test_a_job_that_still_runs_is_busy_to_the_end_of_the_span(judge):
    jobs = ran(judge, (0, None), (1, 2), (4, 5))
    assert judge.busy_s(jobs, judge.Span(0, 4)) == pytest.approx(4 + 1)
