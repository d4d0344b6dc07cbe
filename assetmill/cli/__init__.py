"""The command line. It parses, calls the rules, prints, and answers with exit codes that are a contract.

0 all good; 1 some assets failed; 2 usage or manifest error; 3 refused; 4 provider refused; 5 storage or ledger
unavailable; 130 interrupted. Results go to stdout, progress and messages to stderr. Commands import what they
need when they run: `validate` loads neither Prefect nor pandas.
"""

from __future__ import annotations

import gc
import io
import sys

COLLECT_AFTER = 1_000_000


def main() -> None:
    """Entry point of the `assetmill` program."""
    from assetmill.cli.app import app  # noqa: PLC0415  keeps `import assetmill.cli` free of cost

    # Values of a manifest live to the end of the command; walking them every 700 allocations costs a plan of 10,000
    # assets half a second and frees nothing.
    gc.set_threshold(COLLECT_AFTER, 10, 10)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            _speak(stream)
    app()


def _speak(stream: io.TextIOWrapper) -> None:
    """Files and pipes get UTF-8, as JSON has to be; a terminal gets escapes for what it cannot show."""
    if stream.isatty():
        stream.reconfigure(errors="backslashreplace")
    else:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
