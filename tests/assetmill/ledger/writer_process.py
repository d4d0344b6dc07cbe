"""A process of its own that writes to a ledger: `writer_process.py TASK URL [NAME [COUNT]]`.

It says `ready`, waits for a line, and does its task; the tests of processes start it, and kill it.
"""

import sys
from datetime import UTC, datetime

from sqlalchemy import insert, select, table
from sqlalchemy.sql import column

from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.ledger.schema import VERSION_TABLE
from assetmill.ledger.tables import runs
from assetmill.money import no_cost

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201  the test reads it


def run_of(name: str) -> Run:
    return Run(f"run-{name}", "cloud-hop", "art", "m.yaml", "draft", "ep", draft=True, started_at=NOW)


def intent_of(attempt_id: str, run_id: str) -> Intent:
    return Intent(
        attempt_id=attempt_id,
        run_id=run_id,
        game="cloud-hop",
        pack="art",
        asset_id="knight",
        asset_type="entity",
        candidate=0,
        try_no=1,
        fingerprint=attempt_id,
        inputs={"prompt": "a knight"},
        provider="draft",
        endpoint="ep",
        endpoint_url="http://127.0.0.1:1/v2/ep",
        gpu=None,
        seed=1,
        workflow="entity",
        workflow_hash="h",
        width=64,
        height=64,
        expected_outputs={"image": "p"},
        price_per_s_usd=None,
        price_source="unknown",
        draft=True,
        intended_at=NOW,
    )


def write(ledger: Ledger, name: str, count: int) -> None:
    """Bring attempts to their end, one after another, and name each when it is settled."""
    ledger.begin_run(run_of(name))
    image = Output("image", "k", "s", 1, 64, 64)
    for number in range(count):
        attempt_id = f"{name}-{number}"
        ledger.intend(intent_of(attempt_id, f"run-{name}"))
        ledger.submitted(attempt_id, job_id=f"job-{attempt_id}", at=NOW)
        ledger.collected(attempt_id, outputs=(image,), at=NOW, facts=Facts(execution_ms=number))
        ledger.settle(attempt_id, Settlement(Status.KEPT, NOW, no_cost("test")))
        say(attempt_id)


def intend_and_hang(ledger: Ledger, name: str) -> None:
    ledger.begin_run(run_of(name))
    ledger.intend(intent_of(name, f"run-{name}"))
    say("intended")
    sys.stdin.readline()


def die_in_transaction(ledger: Ledger, name: str) -> None:
    with ledger._database.write() as connection:
        values = {"run_id": name, "game": "g", "pack": "p", "manifest": "m", "provider": "x", "endpoint": "e"}
        connection.execute(insert(runs).values(values | {"draft": True, "started_at": NOW, "state": "running"}))
        say("uncommitted")
        sys.stdin.readline()


def main() -> None:
    task, url, *rest = sys.argv[1:]
    say("ready")
    sys.stdin.readline()
    with Ledger.open(url) as ledger:
        if task == "open":
            with ledger._database.read() as connection:
                say(str(connection.execute(select(table(VERSION_TABLE, column("version_num")))).scalar()))
        elif task == "write":
            write(ledger, rest[0], int(rest[1]))
        elif task == "intend-and-hang":
            intend_and_hang(ledger, rest[0])
        else:
            die_in_transaction(ledger, rest[0])


if __name__ == "__main__":
    main()
