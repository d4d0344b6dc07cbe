"""A report as a workbook: what it is about on the first sheet, then one sheet a table.

A workbook has no decimals: its cells hold doubles, which is exact to 1e-8 dollars below 90 million. It has no time
zones either, so that moments are written as the report's zone shows them, and the first sheet names it. What is unknown
is an empty cell, and never 0. Text is text, whatever it begins with: no cell of a report is a formula or a link.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from assetmill.reports.tables import Cell, CostReport, Kind, ReportTable

if TYPE_CHECKING:
    import pandas as pd

# ruff: noqa: PLC0415  pandas is heavy, and only whoever asks for a workbook needs it

SHEET_NAME_CHARS: Final = 31
MOST_CHARS: Final = 32_767
NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
FORMATS: Final[Mapping[Kind, str]] = {
    "text": "@",
    "count": "#,##0",
    "usd": "$#,##0.00000000",
    "seconds": "#,##0.000",
    "share": "0.0%",
    "moment": "yyyy-mm-dd hh:mm:ss",
}
WIDTHS: Final[Mapping[Kind, int]] = {"usd": 18, "seconds": 12, "share": 10, "moment": 20, "count": 11, "text": 20}
PLAIN: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def workbook_bytes(report: CostReport, *more: ReportTable) -> bytes:
    """Write a report as a workbook.

    Args:
        report: its tables.
        more: tables to show before them.
    """
    import pandas as pd

    tables = (*more, *report.tables.values())
    out = io.BytesIO()
    with pd.ExcelWriter(out, engine="xlsxwriter", engine_kwargs={"options": PLAIN}) as writer:
        made_at = report.made_at.astimezone(UTC).replace(tzinfo=None)
        writer.book.set_properties({"title": report.title, "created": made_at})
        about = pd.DataFrame(_about(report, tables))
        about.to_excel(writer, sheet_name="about", index=False, header=False)
        for place, width in enumerate((26, 40, 120)):
            writer.sheets["about"].set_column(place, place, width)
        formats = {kind: writer.book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
        for table in tables:
            _add(writer, table, formats)
    return out.getvalue()


def _add(writer: pd.ExcelWriter[Any], table: ReportTable, formats: Mapping[Kind, Any]) -> None:
    import pandas as pd

    name = table.id[:SHEET_NAME_CHARS]
    titles = [column.title for column in table.columns]
    frame = pd.DataFrame([[_cell(cell) for cell in row] for row in table.rows], columns=titles, dtype=object)
    frame.to_excel(writer, sheet_name=name, index=False)
    sheet = writer.sheets[name]
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(table.columns):
        width = max(WIDTHS[column.kind], len(column.title) + 2)
        sheet.set_column(place, place, width, formats[column.kind])


def _cell(value: Cell) -> Any:
    """As a workbook holds it."""
    if isinstance(value, str):
        return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", value)[:MOST_CHARS]
    if isinstance(value, Decimal):
        return float(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _about(report: CostReport, tables: Iterable[ReportTable]) -> list[tuple[str, ...]]:
    """Title, time and zone, and what each of the other sheets is; three cells a line."""
    moments = {"since": report.since, "until": report.until, "made at": report.made_at}
    said = [(name, "" if moment is None else moment.isoformat()) for name, moment in moments.items()]
    head = [(report.title, ""), *said, ("time zone", report.timezone), ("currency", "USD"), ("", "")]
    lines = [*((*line, "") for line in head), *((table.id, table.title, table.note) for table in tables)]
    return [tuple(_cell(word) for word in line) for line in lines]
