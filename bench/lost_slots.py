"""How long a killed run's slots stay taken: a holder takes slots of a Prefect limit and is killed with kill -9.

    python bench/lost_slots.py [--holders 4] [--apart 5]

Starts a Prefect server of its own, as a run does. Each holder takes one slot with the lease that runs take, and is
killed at once: the worst moment, since a lease has just begun. Prints how long each slot stayed taken. Exit code 1 if
one has not come back within LEASE_S + ROUND_S and a margin.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from assetmill.batch.slots import LEASE_S
from assetmill.cli.prefect_server import prefect_api

ROUND_S = 15.0  # how often a Prefect server looks for leases that have ended
MARGIN_S = 45.0  # a server that is overloaded looks late
HOLDER = """
import asyncio, sys
from prefect.client.orchestration import get_client
from flows.sharing import PrefectSlots

async def main():
    async with get_client() as client:
        assert await PrefectSlots(client, sys.argv[1]).take()
        print("holds", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--holders", type=int, default=4)
    parser.add_argument("--apart", type=float, default=5.0, help="seconds between two holders")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, prefect_api(Path(folder), None) as url:
        environment = os.environ | {"PREFECT_API_URL": url, "PREFECT_HOME": folder}
        with httpx.Client(base_url=f"{url}/v2/concurrency_limits", timeout=30) as client:
            killed = {}
            for number in range(options.holders):
                name = f"endpoint-{number}"
                client.post("/", json={"name": name, "limit": 1}).raise_for_status()
                killed[name] = hold_and_die(name, environment)
                time.sleep(options.apart)
            freed = until_free(client, set(killed))
    lasted = [freed[name] - at for name, at in killed.items()]
    print("seconds until the slots of a killed run were free: " + ", ".join(f"{one:.0f}" for one in sorted(lasted)))
    return 0 if max(lasted) <= LEASE_S + ROUND_S + MARGIN_S else 1


def hold_and_die(name: str, environment: dict[str, str]) -> float:
    """Let a process take the slot, kill it, and return when that was."""
    command = [sys.executable, "-P", "-c", HOLDER, name]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        said = holder.stdout.readline() if holder.stdout else ""
        holder.kill()
        if said != "holds\n":
            raise RuntimeError("the holder could not take its slot")
        return time.monotonic()


def until_free(client: httpx.Client, names: set[str]) -> dict[str, float]:
    """When each slot is free again."""
    freed: dict[str, float] = {}
    while left := names - freed.keys():
        time.sleep(0.5)
        for name in left:
            if not client.get(f"/{name}").raise_for_status().json()["active_slots"]:
                freed[name] = time.monotonic()
    return freed


if __name__ == "__main__":
    sys.exit(main())
