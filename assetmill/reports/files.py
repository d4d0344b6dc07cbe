"""Groups of a report as files for other programs: CSV and Parquet.

Amounts stay exact: decimal text in CSV, DECIMAL in Parquet. What is unknown is an empty cell, and never 0. Text that a
spreadsheet would take for a formula is kept from being one in CSV by an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

# ruff: noqa: PLC0415  pyarrow is heavy, and only whoever asks for its format needs it

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes the rest of a cell for a formula after; names of games and errors come from others."""

COUNTS: Final = frozenset({"attempts", "kept", "rejected", "failed", "open", "unknown_cost"})


def fixed(amount: Decimal) -> str:
    """An amount as text: eight decimals, no exponent."""
    return f"{amount:.8f}"


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows as CSV: true and false as in JSON, amounts without exponent, what is unknown empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(row[name]) for name in names] for row in rows)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return fixed(value) if isinstance(value, Decimal) else value


def parquet_bytes(names: Sequence[str], rows: Sequence[Mapping[str, Any]], about: Mapping[str, str]) -> bytes:
    """Write rows as a Parquet file.

    Args:
        names: columns; `..._usd` are DECIMAL(18, 8), `..._s` and `..._share` doubles, `draft` a truth, counts
            whole numbers, all else text.
        rows: their values.
        about: goes into the file's metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, _arrow_type(name)) for name in names]
    schema = pa.schema(fields, metadata={"currency": "USD", **about})
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in fields]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), out)
    return out.getvalue()


def _arrow_type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name.endswith("_usd"):
        return pa.decimal128(18, 8)
    if name.endswith(("_s", "_share")):
        return pa.float64()
    if name == "draft":
        return pa.bool_()
    return pa.int64() if name in COUNTS else pa.string()
