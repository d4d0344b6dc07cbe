"""The Prefect server as a child of ours: it ends when its parent does, however that one ended.

Run as `python -m assetmill.cli.prefect_child PORT`. A run that is killed cannot stop its server; without this
it would stay behind and hold its database. Prefect is named for uvicorn to load; nothing here imports it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import uvicorn

APPLICATION = "prefect.server.api.server:create_app"
LOOK_EVERY_S = 1.0
GRACE_S = 15.0
KEEP_ALIVE_S = 5


def follow_parent(parent: int) -> None:
    """Wait until another process is our parent, then end: politely, and if that takes too long at once."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def main(port: int) -> None:
    """Serve on loopback until told to end."""
    threading.Thread(target=follow_parent, args=(os.getppid(),), daemon=True).start()
    uvicorn.run(
        APPLICATION, factory=True, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=KEEP_ALIVE_S
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
