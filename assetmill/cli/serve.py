"""`serve`: a local endpoint of one of the three protocols, until it is told to end.

RunPod's with the draft worker or with workers from outside, Scenario's, or a ComfyUI server.
"""

from __future__ import annotations

import asyncio
import json
import random
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from assetmill.cli.outcome import ERR
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.localpod import NO_FAULTS, PodConfig, scaled
from assetmill.localpod import serve as serve_pod
from assetmill.localpod.comfyui import ComfyConfig, serve_comfyui
from assetmill.localpod.comfyui import Fault as ComfyFault
from assetmill.localpod.comfyui import Kind as ComfyKind
from assetmill.localpod.draft import render
from assetmill.localpod.remote import worker_environment
from assetmill.localpod.rules import read_rules
from assetmill.localpod.scenario import ScenarioConfig, Stages, read_faults_file, serve_scenario
from assetmill.providers.endpoint import address_parts
from assetmill.settings import Settings

LOOPBACK: Final = "127.0.0.1"
REACHED_LIKE: Final = "https://gpu.studio.example or http://10.0.0.5:8000"


def pod_clock(seed: int | None, speed: float) -> Clock:
    """The endpoint's clock: `speed` times as fast as ours, with the luck of a seed.

    Raises:
        UsageError: no such speed.
    """
    return scaled(Clock() if seed is None else Clock(random=random.Random(seed)), speed)


def serve_runpod(config: PodConfig, clock: Clock, reached_at: str | None = None, *, announce: bool) -> int:
    """Listen as RunPod, and draw unless others are to.

    Args:
        config: how the endpoint behaves.
        clock: its time and luck.
        reached_at: how workers reach this machine, up to the port, where that is not the address it listens on.
        announce: one JSON line `{"url": ...}` on stdout says that it is ready, instead of words on stderr.

    Raises:
        UsageError: it cannot listen there, or `reached_at` is no address.
    """
    base = None if reached_at is None else own_address(reached_at)

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
            _invite(url if base is None else f"{base}/v2/{config.endpoint_id}", locked=config.api_key is not None)
        if config.faults != NO_FAULTS or config.faults_by_request:
            asked = " and those that calls ask for" if config.faults_by_request else ""
            ERR.print(f"it misbehaves on purpose: {len(config.faults.rules)} rules{asked}")
        ERR.print(f"try: assetmill run MANIFEST --endpoint {url}")

    worker = None if config.remote_workers else render
    asyncio.run(serve_pod(config, worker, ready=ready, clock=clock, follow_parent=announce))
    return 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options ask of an endpoint that speaks Scenario's or ComfyUI's protocol.

    Args:
        port: where it listens.
        workers: pictures that are drawn at once.
        exec_seconds: a job takes at least this long.
        cold_start_s: and before that it warms up for so long.
        as_real: it passes for the real thing instead of saying that it draws placeholders.
        faults: file of rules of what goes wrong.
        faults_by_request: prompts may ask for faults of their own.
    """

    port: int
    workers: int
    exec_seconds: float
    cold_start_s: float
    as_real: bool
    faults: Path | None
    faults_by_request: bool


def serve_other(
    protocol: Literal["scenario", "comfyui"], asked: Asked, settings: Settings, clock: Clock, *, announce: bool
) -> int:
    """Listen as Scenario or as a ComfyUI server.

    Args:
        protocol: as whom.
        asked: how.
        settings: keys: whoever calls Scenario needs those of the environment, where it has any.
        clock: its time and luck.
        announce: one JSON line `{"url": ...}` on stdout says that it is ready, with the protocol before the address.

    Raises:
        UsageError: it cannot listen there, or what it has none of is asked for.
    """
    if protocol == "comfyui":
        return _serve_comfyui(asked, clock, announce=announce)
    key, secret = settings.scenario_api_key, settings.scenario_secret
    keys = (key.get_secret_value(), secret.get_secret_value()) if key and secret else None
    return _serve_scenario(asked, keys, clock, announce=announce)


def _serve_scenario(asked: Asked, keys: tuple[str, str] | None, clock: Clock, *, announce: bool) -> int:
    name, secret = keys or (None, None)
    config = ScenarioConfig(
        api_key=name, secret=secret, placeholders=not asked.as_real, port=asked.port, painters=asked.workers,
        stages=Stages(warming_up_s=asked.cold_start_s, in_progress_s=asked.exec_seconds),
        faults=read_faults_file(asked.faults) if asked.faults else (), faults_by_prompt=asked.faults_by_request,
    )  # fmt: skip

    def ready(url: str) -> None:
        _say(url, "scenario", "with the keys of SCENARIO_API_KEY" if keys else "without a key", announce=announce)

    asyncio.run(serve_scenario(config, ready=ready, clock=clock, follow_parent=announce))
    return 0


def _serve_comfyui(asked: Asked, clock: Clock, *, announce: bool) -> int:
    if asked.cold_start_s or asked.faults_by_request:
        raise UsageError("a ComfyUI server has no cold start, and takes no faults from prompts")
    config = ComfyConfig(
        port=asked.port,
        placeholders=not asked.as_real,
        exec_seconds=asked.exec_seconds,
        faults=read_rules(asked.faults, ComfyFault, ComfyKind) if asked.faults else (),
    )

    def ready(url: str) -> None:
        _say(url, "comfyui", "without a key", announce=announce)

    asyncio.run(serve_comfyui(config, ready=ready, clock=clock, follow_parent=announce))
    return 0


def _say(url: str, kind: Literal["scenario", "comfyui"], lock: str, *, announce: bool) -> None:
    if announce:
        sys.stdout.write(json.dumps({"url": f"{kind}+{url}"}) + "\n")
        sys.stdout.flush()
        return
    ERR.print(f"local {kind} endpoint at {url}, {lock}; Ctrl-C ends it")
    ERR.print(f"try: assetmill run MANIFEST --endpoint {kind}+{url}")


def own_address(text: str) -> str:
    """An address that workers are told: scheme, host and port.

    Raises:
        UsageError: it is none, or holds a password, a path or a query.
    """
    parts = address_parts(text, REACHED_LIKE)
    if parts.path not in ("", "/"):
        raise UsageError(f"{text!r} has a path", hint=f"like {REACHED_LIKE}")
    return text.rstrip("/")


def _invite(url: str, *, locked: bool) -> None:
    """Say what a worker needs in its environment; of the key only where it is."""
    environment = worker_environment(url, "worker-1")
    ERR.print("each worker needs this environment, with a RUNPOD_POD_ID of its own:")
    for name, value in environment.items():
        ERR.print(f"  export {name}={shlex.quote(value)}", markup=False)
    key = '"$ASSETMILL_SERVE_KEY"' if locked else "none  # any word: without one no heartbeats are sent"
    ERR.print(f"  export RUNPOD_AI_API_KEY={key}", markup=False)
    passed = " ".join(f"-e {name}" for name in (*environment, "RUNPOD_AI_API_KEY"))
    ERR.print("then the worker image, on a machine with the GPU (docs/own-gpu.md):")
    ERR.print(f"  docker run --rm --gpus all --network host {passed} YOUR_IMAGE", markup=False)
