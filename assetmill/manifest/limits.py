"""Bounds of what a manifest may be, so that a wrong or hostile file ends in an error and not in a full machine."""

from __future__ import annotations

MAX_FILE_BYTES = 5_000_000
MAX_DEPTH = 32
MAX_VALUES = 2_000_000  # of one file, every alias counted as often as it is used
MAX_ALIASES = 10_000
MAX_DIGITS = 400  # of one number; longer ones are only known to be too large
MAX_INCLUDES = 64
MAX_ASSETS = 20_000
