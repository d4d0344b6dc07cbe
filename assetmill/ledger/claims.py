"""Who looks after an attempt, so that two processes never settle the same one.

Whoever sends or settles an attempt holds a claim on it: a name, a place and a time until which it is good. A claim
is renewed while its holder lives and is void when its time is up, or at once when its holder can be seen to be gone:
same machine, and no such process. In doubt a holder is alive, and one waits for its time to be up. See ADR 0009.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROCESS_SPACE = Path("/proc/self/ns/pid")
START_TIME_FIELD = 19  # of /proc/<pid>/stat, counted behind the name in brackets: field 22 of proc(5)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry an attempt on.

    Args:
        owner: whose it is: the id of a run, or of a settling process.
        place: machine and process, as `place_of_this_process` writes it.
        until: when it ends unless it is renewed; aware time.
    """

    owner: str
    place: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who makes claims.

    Args:
        id: unique name.
        place: machine and process.
        lease_s: how long a claim is good without being renewed, seconds.
    """

    id: str
    place: str
    lease_s: float

    def claim(self, now: datetime) -> Claim:
        """A claim from now on."""
        return Claim(self.id, self.place, now + timedelta(seconds=self.lease_s))


def place_of_this_process() -> str:
    """Machine, process and when it started: `<machine>/<pid>/<start>`. Holds for one boot of one machine."""
    pid = os.getpid()
    return f"{_machine()}/{pid}/{_started(pid)}"


def is_gone(place: str | None) -> bool:
    """Whether the process at this place has ended for certain; false for places on other machines."""
    if not place or sys.platform == "win32":  # there, asking whether a process lives would end it
        return False
    machine, _, process = place.rpartition("/")[0].rpartition("/")
    if machine != _machine() or not process.isdigit():
        return False
    return not _alive(int(process)) or _started(int(process)) != place.rpartition("/")[2]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _machine() -> str:
    """Host name, and on Linux its boot and process space: process numbers mean something only within these."""
    try:
        return f"{socket.gethostname()}/{BOOT_ID.read_text().strip()}/{PROCESS_SPACE.readlink()}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str:
    """When a process started, in ticks since the boot; empty where the system does not tell, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[START_TIME_FIELD]
