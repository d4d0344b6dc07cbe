"""Rules of assetmill: a manifest of game art in, a published and accounted asset pack out.

Nothing here knows of Prefect, and importing any module does no I/O.
"""

__version__ = "0.1.0"
