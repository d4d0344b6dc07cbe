"""Money: what an attempt cost its worker beyond its execution, workers, bills, budgets.

Revision: 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assetmill.errors import LedgerError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

USD = sa.Numeric(14, 8)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and tables; rows of before have none of it."""
    op.add_column("attempts", sa.Column("cold", sa.Boolean()))
    for name in ("start_ms", "gap_ms", "idle_ms"):
        op.add_column("attempts", sa.Column(name, sa.BigInteger()))
    op.add_column("attempts", sa.Column("reserved_usd", USD))
    op.add_column("attempts", sa.Column("units", sa.Float()))
    op.create_index(
        "ix_attempts_endpoint_url_worker_id_started_at", "attempts", ["endpoint_url", "worker_id", "started_at"]
    )
    for first in ("workflow", "cold"):
        op.create_index(f"ix_attempts_{first}_draft_settled_at", "attempts", [first, "draft", "settled_at"])
    _create_sums()
    _create_workers()
    _create_bills()
    op.create_table(
        "budget_warnings",
        sa.Column("scope", sa.String(200), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("told_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("scope", "percent", name="pk_budget_warnings"),
    )


def _create_sums() -> None:
    """What every intent asks for: sums of a budget's attempts from an index alone, and attempts at the same picture."""
    spent = ("intended_at", "status", "cost_estimate_usd", "reserved_usd", "cost_high_usd", "planned_high_usd")
    op.create_index("ix_attempts_spent_by_run", "attempts", ["run_id", *spent])
    op.create_index("ix_attempts_spent_by_game", "attempts", ["game", *spent])
    op.create_index("ix_attempts_game_fingerprint", "attempts", ["game", "fingerprint"])
    op.create_index("ix_attempts_spent_by_time", "attempts", list(spent))


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("endpoint_url", sa.String(500), nullable=False),
        sa.Column("worker_id", sa.String(200), nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("up_since", TIME),
        sa.Column("ready_at", TIME),
        sa.Column("gpu", sa.Text()),
        sa.Column("price_per_s_usd", USD),
        sa.Column("price_source", sa.Text(), nullable=False),
        sa.Column("idle_timeout_s", sa.Float()),
        sa.PrimaryKeyConstraint("endpoint_url", "worker_id", "first_seen_at", name="pk_workers"),
    )


def _create_bills() -> None:
    op.create_table(
        "bills",
        sa.Column("endpoint_url", sa.String(500), nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.Column("total_usd", USD, nullable=False),
        sa.Column("gpu_usd", USD),
        sa.Column("cpu_usd", USD),
        sa.Column("disk_usd", USD),
        sa.Column("fee_usd", USD),
        sa.Column("asked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("endpoint_url", "began_at", name="pk_bills"),
    )


def downgrade() -> None:
    """Never: settled rows are not thrown away."""
    raise LedgerError("the ledger only grows", hint="restore a backup of before the upgrade")
