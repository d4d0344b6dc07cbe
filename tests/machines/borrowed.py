"""What a proof takes over from the tests and from the chaos runs: their servers, their witness and their oracle."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "chaos")]

from artist import answer  # noqa: E402  found by the line above, as are all of these
from conftest import (  # noqa: E402
    PostgresServer,
    S3Server,
    free_ports,
    postgres_server,
    running,
    seaweedfs_in,
    wait_until,
)
from oracle import Evidence, Verdict  # noqa: E402
from oracle_files import audited, kept_whole, receipted  # noqa: E402
from oracle_jobs import counted_once, never_twice, nothing_paid_was_lost, nothing_unsent_ran  # noqa: E402
from oracle_money import added_up  # noqa: E402
from scenario import KEY, POOL  # noqa: E402
from witness import Ran, Truth, Witness  # noqa: E402

CHECKS = (
    counted_once, nothing_unsent_ran, nothing_paid_was_lost, never_twice, kept_whole, receipted, added_up, audited,
)  # fmt: skip

__all__ = [
    "CHECKS",
    "KEY",
    "POOL",
    "Evidence",
    "PostgresServer",
    "Ran",
    "S3Server",
    "Truth",
    "Verdict",
    "Witness",
    "answer",
    "free_ports",
    "postgres_server",
    "running",
    "seaweedfs_in",
    "wait_until",
]
