"""A machine: a process worker in a folder of its own, with nothing but its environment in common with others.

Where the system allows it each has a host name and process numbers of its own, as machines have: what runs on one
cannot be seen from another, and all of it ends at once. Elsewhere it is a tree of processes on this machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--uts", "--kill-child")
NAMED = 'hostname "$0" && exec "$@"'
STOP_S = 20.0


class Machine:
    """One worker and the flow runs that it starts.

    Args:
        name: host name, and name of the worker.
        folder: its own; made here.
        environment: all that it is told.
        runs: flow runs that it has at once.
    """

    def __init__(self, name: str, folder: Path, environment: dict[str, str], runs: int) -> None:
        self.name = name
        self.folder = folder
        self._apart = can_be_apart()
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "prefect", "worker", "start", "--pool", "assetmill", "--type", "process",
            "--name", name, "--limit", str(runs),
        ]  # fmt: skip
        if self._apart:
            command = [*UNSHARE, "sh", "-c", NAMED, name, *command]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def alive(self) -> bool:
        """Whether the worker is there."""
        return self._process.poll() is None

    def die(self) -> int:
        """Everything on it ends at once, without a word; returns how many processes that were."""
        tree = [self._process.pid, *descendants(self._process.pid)]
        for pid in tree:  # the worker first: it must not report what became of its children
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        return len(tree)

    def stop(self) -> None:
        """End it for good; whatever is left of it, too."""
        if not self.alive:
            return
        tree = descendants(self._process.pid)
        for pid in tree if self._apart else [self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.die()


def can_be_apart() -> bool:
    """Whether processes can have a host name and process numbers of their own here."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*UNSHARE, "hostname", "machine"], capture_output=True, check=False)
    return tried.returncode == 0


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have, the oldest first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        more = sorted(children.get(waiting.pop(0), []))
        found += more
        waiting += more
    return found


def peak_mb(pid: int) -> float:
    """The most memory that a process had so far, MB; 0 for one that is gone."""
    with suppress(OSError, StopIteration, IndexError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, seconds, without its children; 0 for one that is gone."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
