"""Kill points: a process that ends itself with SIGKILL before or after the n-th call of a named method.

The product has no hooks for this: its methods are wrapped here, in the process that is to die. Nothing is cleaned
up and nothing is flushed, as when the machine takes the process away.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from scenario import Kill

from assetmill.batch import results
from assetmill.ledger import Ledger
from assetmill.providers.runpod.provider import RunPodProvider
from assetmill.storage import local

PLACES: Final[dict[str, tuple[Any, str]]] = {
    **{name: (Ledger, name) for name in ("begin_run", "intend", "submitted", "collected", "record_finish")},
    **{name: (Ledger, name) for name in ("settle_as", "claim", "end_run", "release")},
    **{name: (RunPodProvider, name) for name in ("submit", "wait", "collect", "find", "cancel")},
    **{name: (local.FileStore, name) for name in ("create", "put", "swap")},
    "fill": (local.FileStore, "_fill"),
    "link": (local, "_link"),
    "publish": (results, "publish"),
}


def arm(kill: Kill, note: Path) -> None:
    """Make this process kill itself at a point.

    Args:
        kill: where.
        note: file that says that it came to it.
    """
    place, name = PLACES[kill.point]
    method = getattr(place, name)
    calls = itertools.count(1)

    def die(*, before: bool, call: int) -> None:
        if before is kill.before and call == kill.nth:
            note.write_text(kill.name)
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, _wrapped(method, calls, die))


def _wrapped(method: Callable[..., Any], calls: itertools.count[int], die: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def plain(*args: Any, **kwargs: Any) -> Any:
        call = next(calls)
        die(before=True, call=call)
        done = method(*args, **kwargs)
        die(before=False, call=call)
        return done

    @functools.wraps(method)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        call = next(calls)
        die(before=True, call=call)
        done = await method(*args, **kwargs)
        die(before=False, call=call)
        return done

    return awaited if inspect.iscoroutinefunction(method) else plain
