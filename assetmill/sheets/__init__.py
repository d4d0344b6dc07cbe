"""Sheets: where each cell lies, what is in it, and how games are told.

Positions follow from the manifest's layout alone. `atlas` looks at the finished picture, cuts it up and packs it;
it is imported by its own name, because plans import this package and must start without an image library.
"""

from assetmill.sheets.cells import Cell, cells_of, scaled, sheet_size
from assetmill.sheets.metadata import asset_sheet

__all__ = ["Cell", "asset_sheet", "cells_of", "scaled", "sheet_size"]
