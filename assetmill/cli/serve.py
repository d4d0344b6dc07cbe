"""`serve`: the local endpoint with the draft worker, until it is told to end."""

from __future__ import annotations

import asyncio
import json
import sys

from assetmill.cli.outcome import ERR
from assetmill.localpod import PodConfig
from assetmill.localpod import serve as serve_pod
from assetmill.localpod.draft import render


def serve_drafts(config: PodConfig, *, announce: bool) -> int:
    """Listen and draw. With `announce`, one JSON line `{"url": ...}` on stdout says that it is ready."""

    def ready(url: str) -> None:
        if announce:
            sys.stdout.write(json.dumps({"url": url}) + "\n")
            sys.stdout.flush()
            return
        locked = "with the key in ASSETMILL_SERVE_KEY" if config.api_key else "without a key"
        ERR.print(f"draft endpoint at {url}, {config.workers} workers, {locked}; Ctrl-C ends it")
        ERR.print(f"try: assetmill run MANIFEST --endpoint {url}")

    asyncio.run(serve_pod(config, render, ready=ready, follow_parent=announce))
    return 0
