"""Attempts: who looks after them, what the plan said they cost, and which attempt they replace.

Revision: 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assetmill.errors import LedgerError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

USD = sa.Numeric(14, 8)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns; rows of before have none of it."""
    op.add_column("attempts", sa.Column("retry_of", sa.String(64)))
    op.add_column("attempts", sa.Column("planned_usd", USD))
    op.add_column("attempts", sa.Column("planned_high_usd", USD))
    op.add_column("attempts", sa.Column("owner", sa.String(64)))
    op.add_column("attempts", sa.Column("owner_place", sa.Text()))
    op.add_column("attempts", sa.Column("claimed_until", TIME))
    op.create_index("ix_attempts_owner_status", "attempts", ["owner", "status"])


def downgrade() -> None:
    """Never: settled rows are not thrown away."""
    raise LedgerError("the ledger only grows", hint="restore a backup of before the upgrade")
