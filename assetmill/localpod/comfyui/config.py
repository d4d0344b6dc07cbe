"""How the local ComfyUI behaves, in one frozen place. Nothing is read from the environment.

The defaults are those of a server of 2026 with every node and model of the library. Older servers differ in three
calls, which can be switched.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from assetmill.errors import UsageError
from assetmill.localpod.comfyui.faults import Fault
from assetmill.localpod.config import MIB, check_reach


@dataclass(frozen=True, slots=True)
class ComfyConfig:
    """One local server.

    Args:
        host: address to listen on; a loopback one unless `allow_remote`.
        port: port to listen on; 0 takes a free one.
        api_key: bearer key that every call must carry, as a proxy before a server asks for one; None for none.
        placeholders: it says that it draws placeholders: by `/draft` in its address, and in each PNG. Without, it
            passes for a server with a model, which only tests want.
        exec_seconds: a graph takes at least this long.
        restart_s: how long it is away when it crashes; ComfyUI itself needs seconds to import what it needs.
        version: what `system_stats` says.
        lacks: node classes and model files that it is to be without.
        takes_ids: a prompt may bring its own id; without, the server gives one (before July 2025).
        jobs_api: `api/jobs/{id}/cancel` is there, as on newer servers.
        aimed_interrupts: `interrupt` takes the id of the prompt that it is for; without, it hits whatever runs (before
            September 2025).
        most_history: entries that the history holds; the oldest goes when it is full.
        most_body_bytes: largest body, ComfyUI's --max-upload-size.
        most_kept_bytes: pictures are kept in memory, up to this; the oldest go first.
        faults: what goes wrong.
        allow_remote: listen on an address that other machines can reach; needs a key.

    Raises:
        UsageError: the figures cannot be, or the address is reachable from outside.
    """

    host: str = "127.0.0.1"
    port: int = 0
    api_key: str | None = field(default=None, repr=False)
    placeholders: bool = True
    exec_seconds: float = 0.0
    restart_s: float = 10.0
    version: str = "0.25.1"
    lacks: frozenset[str] = frozenset()
    takes_ids: bool = True
    jobs_api: bool = True
    aimed_interrupts: bool = True
    most_history: int = 10_000
    most_body_bytes: int = 100 * MIB
    most_kept_bytes: int = 1024 * MIB
    faults: tuple[Fault, ...] = ()
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:  # noqa: PLR2004 - TCP's own bound
            raise UsageError(f"port {self.port} cannot be", hint="0 takes a free one")
        if min(self.exec_seconds, self.restart_s) < 0:
            raise UsageError("a duration of the local ComfyUI is negative")
        check_reach(self.host, locked=bool(self.api_key), allow_remote=self.allow_remote)
