"""`serve`: the local endpoint with the draft worker or with workers from outside, until it is told to end."""

from __future__ import annotations

import asyncio
import json
import random
import shlex
import sys

from assetmill.cli.outcome import ERR
from assetmill.clock import Clock
from assetmill.localpod import NO_FAULTS, PodConfig, scaled
from assetmill.localpod import serve as serve_pod
from assetmill.localpod.draft import render
from assetmill.localpod.remote import worker_environment


def pod_clock(seed: int | None, speed: float) -> Clock:
    """The endpoint's clock: `speed` times as fast as ours, with the luck of a seed.

    Raises:
        UsageError: no such speed.
    """
    return scaled(Clock() if seed is None else Clock(random=random.Random(seed)), speed)


def serve_drafts(config: PodConfig, clock: Clock, *, announce: bool) -> int:
    """Listen, and draw unless others are to.

    Args:
        config: how the endpoint behaves.
        clock: its time and luck.
        announce: one JSON line `{"url": ...}` on stdout says that it is ready, instead of words on stderr.
    """

    def ready(url: str) -> None:
        if announce:
            sys.stdout.write(json.dumps({"url": url}) + "\n")
            sys.stdout.flush()
            return
        locked = "with the key in ASSETMILL_SERVE_KEY" if config.api_key else "without a key"
        ours = "workers on RunPod's SDK at once" if config.remote_workers else "workers"
        kind = "endpoint" if config.remote_workers else "draft endpoint"
        ERR.print(f"{kind} at {url}, {config.workers} {ours}, {locked}; Ctrl-C ends it")
        if config.remote_workers:
            _invite(url, locked=config.api_key is not None)
        if config.faults != NO_FAULTS or config.faults_by_request:
            asked = " and those that calls ask for" if config.faults_by_request else ""
            ERR.print(f"it misbehaves on purpose: {len(config.faults.rules)} rules{asked}")
        ERR.print(f"try: assetmill run MANIFEST --endpoint {url}")

    worker = None if config.remote_workers else render
    asyncio.run(serve_pod(config, worker, ready=ready, clock=clock, follow_parent=announce))
    return 0


def _invite(url: str, *, locked: bool) -> None:
    """Say what a worker needs in its environment; of the key only where it is."""
    ERR.print("each worker needs this environment, with a RUNPOD_POD_ID of its own:")
    for name, value in worker_environment(url, "worker-1").items():
        ERR.print(f"  export {name}={shlex.quote(value)}", markup=False)
    key = '"$ASSETMILL_SERVE_KEY"' if locked else "none  # any word: without one no heartbeats are sent"
    ERR.print(f"  export RUNPOD_AI_API_KEY={key}", markup=False)
