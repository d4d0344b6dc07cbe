"""Of the base's start script one line changes, and a script that is not known ends the build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STEPS = sorted((Path(__file__).parents[2] / "runpod-worker" / "steps").glob("*.py"))

SCRIPT = """\
#!/usr/bin/env bash
if [ "$SERVE_API_LOCALLY" == "true" ]; then
    python -u /comfyui/main.py --listen &
    python -u /handler.py --rp_serve_api --rp_api_host=0.0.0.0
else
    python -u /comfyui/main.py &
    python -u /handler.py
fi
"""


@pytest.fixture
def wire(step, tmp_path):
    script, start = tmp_path / "start.sh", tmp_path / "start_prefetching.py"
    start.write_text("")

    def run(text):
        script.write_text(text)
        script.chmod(0o755)
        return step("wire_start.py", script, start), script, start

    return run


def test_only_the_command_that_takes_jobs_is_led_over_our_file(wire):
    done, script, start = wire(SCRIPT)
    assert done.returncode == 0, done.stderr
    changed = [
        (old, new) for old, new in zip(SCRIPT.splitlines(), script.read_text().splitlines(), strict=True) if old != new
    ]
    assert changed == [("    python -u /handler.py", f"    python -u {start}")]
    assert script.stat().st_mode & 0o777 == 0o755
    again, script, _ = wire(script.read_text())
    assert again.returncode == 0


@pytest.mark.parametrize(
    "text",
    (
        SCRIPT.replace("    python -u /handler.py\n", ""),
        SCRIPT.replace("    python -u /handler.py\n", "    exec python -u /handler.py\n"),
        SCRIPT.replace("    python -u /handler.py\n", "    python -u /handler.py\n    python -u /handler.py\n"),
        SCRIPT.replace(" --rp_serve_api", ""),
        "",
    ),
)
def test_a_script_that_is_not_known_ends_the_build_and_stays_as_it_was(wire, text):
    done, script, _ = wire(text)
    assert done.returncode == 1
    assert "start script" in done.stderr
    assert script.read_text() == text


def test_a_start_file_that_is_not_there_ends_the_build(step, tmp_path):
    script = tmp_path / "start.sh"
    script.write_text(SCRIPT)
    assert step("wire_start.py", script, tmp_path / "gone.py").returncode == 1
    assert script.read_text() == SCRIPT


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.name)
def test_the_steps_of_the_build_need_python_and_nothing_else(path):
    command = [sys.executable, "-I", "-S", str(path), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
