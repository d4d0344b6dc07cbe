"""Several providers: steps of pipelines, why another endpoint took over, what endpoints can do, votes.

Revision: 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assetmill.errors import LedgerError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and tables; rows of before have none of it."""
    op.add_column("attempts", sa.Column("instead_of", sa.String(200)))
    op.add_column("attempts", sa.Column("instead_why", sa.Text()))
    _create_steps()
    op.create_table(
        "outages",
        sa.Column("endpoint_url", sa.String(500), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_url", name="pk_outages"),
    )
    op.create_table(
        "abilities",
        sa.Column("endpoint_url", sa.String(500), nullable=False),
        sa.Column("workflow", sa.String(100), nullable=False),
        sa.Column("workflow_hash", sa.String(128), nullable=False),
        sa.Column("able", sa.Boolean()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("units", sa.Float()),
        sa.Column("asked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("endpoint_url", "workflow", name="pk_abilities"),
    )
    op.create_table(
        "votes",
        sa.Column("comparison", sa.String(64), nullable=False),
        sa.Column("asset_id", sa.String(200), nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("voter", sa.String(64), nullable=False),
        sa.Column("choice", sa.String(200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("voted_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("comparison", "asset_id", "candidate", "voter", name="pk_votes"),
    )


def _create_steps() -> None:
    op.create_table(
        "steps",
        sa.Column("attempt_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("job_id", sa.String(200)),
        sa.Column("assets", sa.Text(), nullable=False),
        sa.Column("units", sa.Float()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("intended_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("queue_ms", sa.BigInteger()),
        sa.Column("execution_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("attempt_id", "number", name="pk_steps"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name="fk_steps_attempt_id_attempts"),
    )
    op.create_index("ix_steps_job_id", "steps", ["job_id"])


def downgrade() -> None:
    """Never: settled rows are not thrown away."""
    raise LedgerError("the ledger only grows", hint="restore a backup of before the upgrade")
