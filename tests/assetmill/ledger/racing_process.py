"""A process of its own that wants what others want: `racing_process.py TASK [URL NAME]`.

It says `ready`, waits for a line, and says what it got. `live` says where it runs and waits to be told, or killed.
"""

import sys
from datetime import UTC, datetime, timedelta

from assetmill.errors import AlreadyTaken
from assetmill.ledger import Claim, Intent, Ledger, place_of_this_process

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201  the test reads it


def intent_of(attempt_id: str) -> Intent:
    return Intent(
        attempt_id=attempt_id, run_id="run-1", game="cloud-hop", pack="art", asset_id="knight", asset_type="entity",
        candidate=0, try_no=1, fingerprint="same", inputs={}, provider="runpod", endpoint="ep",
        endpoint_url="https://api.example/v2/ep", gpu=None, seed=1, workflow="entity", workflow_hash="h", width=64,
        height=64, expected_outputs={}, price_per_s_usd=None, price_source="unknown", draft=False, intended_at=NOW,
    )  # fmt: skip


def claim(url: str, name: str) -> None:
    with Ledger.open(url) as ledger:
        say("ready")
        sys.stdin.readline()
        got = ledger.claim("contested", Claim(name, place_of_this_process(), NOW + timedelta(minutes=2)), now=NOW)
        say("mine" if got else "not mine")


def pay(url: str, name: str) -> None:
    with Ledger.open(url) as ledger:
        say("ready")
        sys.stdin.readline()
        try:
            ledger.intend(intent_of(name))
            say("mine")
        except AlreadyTaken as error:
            say(error.attempt_id)


def live() -> None:
    say(place_of_this_process())
    sys.stdin.readline()


def main() -> None:
    task, *rest = sys.argv[1:]
    {"claim": claim, "pay": pay, "live": live}[task](*rest)


if __name__ == "__main__":
    main()
