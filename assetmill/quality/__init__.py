"""Checks of what came back: is it publishable, and which candidate is the best.

Rules on pixels only; what to do with a picture that was turned down is decided elsewhere. The checks
themselves are in `quality.checks` and load numpy; this package alone does not, because plans hold verdicts.
"""

from assetmill.quality.verdict import Quality

__all__ = ["Quality"]
