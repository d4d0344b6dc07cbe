"""A short form of the proof of plans: what a real run is charged lies within what its plan said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "plans.py"


def test_an_endpoint_charges_no_less_and_no_more_than_the_plan_said_from_priors_and_from_history():
    asked = ["--runs", "1", "--seed", "2", "--speed", "10", "--pictures", "6", "3", "--near", "1"]
    done = subprocess.run([sys.executable, str(PROGRAM), *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (line for line in done.stdout.splitlines() if line.startswith("seed 2:"))
    assert "6 jobs from priors" in first
    assert "3 jobs from history" in second
