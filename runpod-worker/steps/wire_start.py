"""Let the base image's own start script run our start file, and prove that nothing else of it has changed.

`/start.sh` of the base starts ComfyUI, checks the GPU and then runs `/handler.py`. The handler and the script are the
base's and stay so; only the one line that takes jobs from the queue is led over our start file, which runs that very
handler. It must never guess: a script that does not have exactly the lines that are known ends the build, so that an
upgrade of the base is looked at by a person.

    python wire_start.py /start.sh /start_prefetching.py
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

QUEUE = "python -u /handler.py"
"""The command that takes jobs from the queue."""
SERVING = "python -u /handler.py --rp_serve_api --rp_api_host=0.0.0.0"
"""The one that serves an API on this machine instead; it has no queue to fetch ahead from and stays as it is."""


class Unknown(Exception):  # noqa: N818  it says what the script is
    """The start script is not the one that is known."""


def wired(script: str, start_file: str) -> str:
    """The script with its queue command led over `start_file`; a script that is so already stays as it is.

    Raises:
        Unknown: the commands that run the handler are not the two that are known.
    """
    lines = script.splitlines(keepends=True)
    ours = f"python -u {start_file}"
    commands = sorted(line.strip() for line in lines if "handler.py" in line or start_file in line)
    if commands == sorted([SERVING, ours]):
        return script
    if commands != sorted([SERVING, QUEUE]):
        told = "; ".join(commands) or "none"
        raise Unknown(f"the base's start script runs its handler by other commands than the two known ones: {told}")
    return "".join(line.replace(QUEUE, ours) if line.strip() == QUEUE else line for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the script and show what changed; 1 if it is not the one that is known."""
    parser = argparse.ArgumentParser(description="Lead the base's queue command over our start file.")
    parser.add_argument("script", type=Path)
    parser.add_argument("start_file", type=Path)
    asked = parser.parse_args(arguments)
    if not asked.start_file.is_file():
        print(f"error: there is no {asked.start_file}", file=sys.stderr)
        return 1
    before = asked.script.read_text(encoding="utf-8")
    try:
        after = wired(before, str(asked.start_file))
    except Unknown as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    mode = asked.script.stat().st_mode
    asked.script.write_text(after, encoding="utf-8")
    asked.script.chmod(mode)
    print("".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "before", "after", n=0)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
