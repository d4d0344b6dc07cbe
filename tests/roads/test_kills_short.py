"""A short form of the proof that a killed pipeline pays for nothing twice, and proof that it sees what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.timeout(600)  # it waits for leases that are over, and most of its processes start one after the other
def test_a_run_that_is_killed_on_its_way_goes_on_and_pays_for_nothing_twice():
    command = [sys.executable, str(HERE / "kills.py"), "--types", "entity", "--every", "8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (right, killed) = re.findall(r"second payment: (\d+) of (\d+)", done.stdout)[0]
    assert int(right) == int(killed) >= 5, done.stdout


class Told:
    """What the judge looks at of an endpoint and a stage."""

    def __init__(self, folder: Path, calls: dict[str, int], rows: list[dict[str, object]]) -> None:
        self.type, self.folder, self._calls, self._rows = "entity", folder, calls, rows
        self.charged_units = 20.0
        (folder / "out/store/packs/tiny/main").mkdir(parents=True)
        (folder / "out/store/packs/tiny/main/latest.json").write_text("{}")

    def executions(self) -> dict[str, int]:
        return self._calls

    def rows(self) -> list[dict[str, object]]:
        return self._rows


ROW = {"units": 20.0, "status": "kept"}


def test_the_judge_sees_a_call_that_was_paid_twice_and_books_that_do_not_balance(parts, tmp_path):
    kills = parts("kills")
    fine = {"img2img": 1, "remove-background": 1}
    cases = (
        (fine, [ROW], 0),
        ({**fine, "img2img": 2}, [ROW], 1),
        (fine, [{**ROW, "units": 15.0}], 1),
        (fine, [{**ROW, "status": "lost"}], 1),
    )
    for number, (calls, rows, faults) in enumerate(cases):
        told, one = Told(tmp_path / str(number), calls, rows), kills.Trial("entity", 1)
        kills._judge(told, told, one, 0, {})
        assert len(one.wrong) == faults, one.wrong
