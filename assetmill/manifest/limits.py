"""Bounds of what a manifest may be, so that a wrong or hostile file ends in an error and not in a full machine."""

from __future__ import annotations

MAX_FILE_BYTES = 5_000_000
MAX_DEPTH = 32
MAX_VALUES = 2_000_000  # of one file, every alias counted as often as it is used
MAX_ALIASES = 10_000
MAX_DIGITS = 400  # of one number; longer ones are only known to be too large
MAX_INCLUDES = 64
MAX_ASSETS = 20_000
MAX_EXPANDED_CHARS = 100_000_000  # of all texts that one matrix makes
MAX_EXTENDS = 32  # styles in one chain
MAX_PROBLEMS = 500  # nobody mends more before reading the manifest again
MAX_MESSAGE_CHARS = 600
MAX_NAMES_COMPARED = 100  # when the nearest of many names is looked for
