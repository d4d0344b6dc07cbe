"""Programs that run side by side end together: when one of them ends, and when we are told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assetmill.cli.services import _command, _run_all

LASTING = """
import pathlib, signal, sys, threading
told = []
signal.signal(signal.SIGTERM, lambda number, _: (told.append(number), over.set()))
signal.signal(signal.SIGINT, lambda number, _: told.append(number))
over = threading.Event()
place = pathlib.Path(sys.argv[1])
place.write_text("up")
over.wait()
place.write_text(" ".join(map(str, map(int, told))))
"""
SUPERVISOR = """
import contextlib, sys
import typer
from assetmill.cli.outcome import guarded
from assetmill.cli.services import _run_all
with contextlib.suppress(typer.Exit):
    guarded(lambda: _run_all([[sys.executable, "-c", sys.argv[1], place] for place in sys.argv[2:]]))()
"""


def lasting(place: Path) -> list[str]:
    return [sys.executable, "-c", LASTING, str(place)]


def ending(place: Path) -> list[str]:
    """Ends by itself once the other one is up."""
    look = f"while not pathlib.Path({str(place)!r}).is_file(): threading.Event().wait(0.05)"
    wait = f"import pathlib, sys, threading\n{look}\nsys.exit(3)"
    return [sys.executable, "-c", wait]


def test_when_one_ends_the_others_are_ended_and_its_code_is_the_answer(tmp_path):
    place = tmp_path / "lasting"
    assert _run_all([lasting(place), ending(place)]) == 3
    assert place.read_text() == str(int(signal.SIGTERM))


HEARS = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as on a terminal
AS_A_SCRIPT_DOES = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # whatever it starts with & ignores Ctrl-C


@pytest.mark.parametrize(
    ("how", "started"), ((signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGTERM, AS_A_SCRIPT_DOES))
)
def test_who_is_told_to_end_tells_each_of_them_once_and_waits(tmp_path, how, started):
    places = [tmp_path / "a", tmp_path / "b"]
    program = SUPERVISOR if started else HEARS + SUPERVISOR
    command = [sys.executable, "-P", "-c", program, LASTING, *map(str, places)]
    with subprocess.Popen([*started, *command], stderr=subprocess.PIPE, text=True) as supervisor:
        try:
            while not all(place.is_file() and place.read_text() for place in places):
                with pytest.raises(subprocess.TimeoutExpired):  # it lives
                    supervisor.wait(0.05)
            supervisor.send_signal(how)
            said = supervisor.stderr.read()
        finally:
            supervisor.kill()  # one that has not listened must not keep the tests waiting
    assert "Traceback" not in said
    assert [place.read_text() for place in places] == [str(int(signal.SIGTERM))] * 2


def test_a_worker_is_one_of_the_pool_with_the_limit_that_was_asked_for():
    assert _command("assetmill", None)[-2:] == ["--type", "process"]
    assert _command("assetmill", 4)[-2:] == ["--limit", "4"]
    assert "assetmill" in _command("assetmill", 4)
