"""A report as a workbook: what it is about on the first sheet, then one sheet a table.

The file is written here, part by part of ECMA-376 (SpreadsheetML, in a zip), because the usual library takes ten times
as long for the hundred thousand cells of a long report. A workbook has no decimals: its cells hold doubles, which is
exact to 1e-8 dollars below 90 million. It has no time zones either, so that moments are written as the report's zone
shows them, and the first sheet names it. What is unknown is an empty cell, and never 0. Text is text, whatever it
begins with: no cell of a report is a formula.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from assetmill.reports.tables import Cell, CostReport, Kind, ReportTable

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

SHEET_NAME_CHARS: Final = 31
MOST_CHARS: Final = 32_767
NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
FIRST_DAY: Final = datetime(1899, 12, 30, tzinfo=UTC)
"""Day 0 of a workbook's calendar."""

FORMATS: Final[Mapping[Kind, str]] = {
    "text": "@",
    "count": "#,##0",
    "usd": "$#,##0.00000000",
    "seconds": "#,##0.000",
    "share": "0.0%",
    "moment": "yyyy-mm-dd hh:mm:ss",
}
STYLES: Final = {kind: place for place, kind in enumerate(FORMATS, 1)}  # 0 is the plain one
WIDTHS: Final[Mapping[Kind, int]] = {"usd": 18, "seconds": 12, "share": 10, "moment": 20, "count": 11, "text": 20}


def workbook_bytes(report: CostReport, *more: ReportTable) -> bytes:
    """Write a report as a workbook; the same report gives the same bytes.

    Args:
        report: its tables.
        more: tables to show before them.
    """
    tables = (*more, *report.tables.values())
    sheets = {"about": _about(report, tables)}
    sheets |= {table.id[:SHEET_NAME_CHARS]: _table(table) for table in tables}
    parts = {
        "[Content_Types].xml": _content_types(len(sheets)),
        "_rels/.rels": _relations((f"{OFFICE}/officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": _book(sheets),
        "xl/_rels/workbook.xml.rels": _relations(
            *((f"{OFFICE}/worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)),
            (f"{OFFICE}/styles", "styles.xml"),
        ),
        "xl/styles.xml": _styles(),
        **{f"xl/worksheets/sheet{number}.xml": sheet for number, sheet in enumerate(sheets.values(), 1)},
    }
    out = io.BytesIO()
    at = report.made_at.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, text in parts.items():
            info = zipfile.ZipInfo(name, at)
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, text)
    return out.getvalue()


def _content_types(sheets: int) -> str:
    parts = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
    parts += [(f"/xl/worksheets/sheet{number}.xml", "worksheet") for number in range(1, sheets + 1)]
    overrides = "".join(f'<Override PartName="{name}" ContentType="{TYPE}.{kind}+xml"/>' for name, kind in parts)
    return (
        f'{HEAD}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(*targets: tuple[str, str]) -> str:
    lines = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{lines}</Relationships>'


def _book(names: Iterable[str]) -> str:
    lines = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>' for number, name in enumerate(names, 1)
    )
    return f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{lines}</sheets></workbook>'


def _styles() -> str:
    """One style a kind of cell; the four lists before them are what every workbook must have."""
    first = 164  # numbers below are formats of the standard's own
    formats = "".join(
        f'<numFmt numFmtId="{first + place}" formatCode={quoteattr(code)}/>'
        for place, code in enumerate(FORMATS.values())
    )
    styles = "".join(
        f'<xf numFmtId="{first + place}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
        for place in range(len(FORMATS))
    )
    return (
        f'{HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="{len(FORMATS)}">{formats}</numFmts>'
        '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        f'<cellXfs count="{len(FORMATS) + 1}"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        f"{styles}</cellXfs>"
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )


def _about(report: CostReport, tables: Iterable[ReportTable]) -> str:
    moments = {"since": report.since, "until": report.until, "made at": report.made_at}
    said = [(name, "" if moment is None else moment.isoformat()) for name, moment in moments.items()]
    head: list[tuple[str, ...]] = [(report.title,), *said, ("time zone", report.timezone), ("currency", "USD"), ()]
    lines = [*head, *((table.id, table.title, table.note) for table in tables)]
    return _sheet((26, 40, 120), _rows(lines, [_text] * 3), frozen=False)


def _table(table: ReportTable) -> str:
    headings = [[column.title for column in table.columns]]
    widths = [max(WIDTHS[column.kind], len(column.title) + 2) for column in table.columns]
    head = _rows(headings, [_text] * len(widths))
    body = _rows(table.rows, [_writer(column.kind) for column in table.columns], first=2)
    return _sheet(widths, (*head, *body), frozen=True)


def _sheet(widths: Sequence[int], rows: Iterable[str], *, frozen: bool) -> str:
    pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>' if frozen else ""
    columns = "".join(
        f'<col min="{place}" max="{place}" width="{width}" customWidth="1"/>' for place, width in enumerate(widths, 1)
    )
    return (
        f'{HEAD}<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
        f"<cols>{columns}</cols><sheetData>{''.join(rows)}</sheetData></worksheet>"
    )


def _rows(
    rows: Iterable[Sequence[Cell]], writers: Sequence[Callable[[Cell, str], str]], first: int = 1
) -> Iterator[str]:
    letters = [_letters(place) for place in range(len(writers))]
    for number, row in enumerate(rows, first):
        cells = "".join(
            "" if value is None else write(value, f"{letter}{number}")
            for value, write, letter in zip(row, writers, letters, strict=False)
        )
        yield f'<row r="{number}">{cells}</row>'


def _letters(place: int) -> str:
    """Name of a column, from 0: A to Z, AA, AB, ..."""
    name = ""
    while place >= 0:
        place, letter = divmod(place, 26)
        name, place = chr(ord("A") + letter) + name, place - 1
    return name


def _writer(kind: Kind) -> Callable[[Cell, str], str]:
    style = STYLES[kind]
    if kind == "text":
        return _text
    if kind == "moment":
        return lambda value, at: f'<c r="{at}" s="{style}"><v>{_day(value)!r}</v></c>'
    return lambda value, at: f'<c r="{at}" s="{style}"><v>{_number(value)}</v></c>'


def _text(value: Cell, at: str) -> str:
    words = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))[:MOST_CHARS]
    return f'<c r="{at}" s="{STYLES["text"]}" t="inlineStr"><is><t xml:space="preserve">{escape(words)}</t></is></c>'


def _number(value: Cell) -> str:
    return f"{value:.8f}" if isinstance(value, Decimal) else repr(value)


def _day(value: Cell) -> float:
    """A moment as days of a workbook's calendar, as the clocks of its zone show it."""
    if not isinstance(value, datetime):
        raise TypeError(f"no moment: {value!r}")
    return (value.replace(tzinfo=UTC) - FIRST_DAY).total_seconds() / 86_400
