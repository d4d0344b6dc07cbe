"""Seats: which runs share an endpoint, what each could use and what it holds.

Revision: 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assetmill.errors import LedgerError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table; nothing of before is touched."""
    op.create_table(
        "seats",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("limit_name", sa.String(200), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("wants", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("leases", sa.Text(), nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("served_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_seats"),
    )
    op.create_index("ix_seats_limit_name", "seats", ["limit_name"])


def downgrade() -> None:
    """Never: settled rows are not thrown away."""
    raise LedgerError("the ledger only grows", hint="restore a backup of before the upgrade")
