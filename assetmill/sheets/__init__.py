"""Sheets: where each cell lies, and the AssetSheet JSON that tells the game.

Positions follow from the manifest's layout alone. Nothing here looks at pixels.
"""

from assetmill.sheets.cells import Cell, cells_of, scaled, sheet_size
from assetmill.sheets.metadata import asset_sheet

__all__ = ["Cell", "asset_sheet", "cells_of", "scaled", "sheet_size"]
