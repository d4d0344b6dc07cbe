"""Runs, attempts and finishes: the first tables.

Revision: 0001. Column types are spelled out here, not imported: a migration must keep making what it
made on the day it was written.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assetmill.errors import LedgerError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

USD = sa.Numeric(14, 8)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    _runs()
    _attempts()
    _finishes()


def downgrade() -> None:
    """Never: settled rows are not thrown away."""
    raise LedgerError("the ledger only grows", hint="restore a backup of before the upgrade")


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("game", sa.String(64), nullable=False),
        sa.Column("pack", sa.String(64), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("kept", sa.Integer()),
        sa.Column("failed", sa.Integer()),
        sa.Column("cached", sa.Integer()),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_game", "runs", ["game"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("attempt_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("game", sa.String(64), nullable=False),
        sa.Column("pack", sa.String(64), nullable=False),
        sa.Column("asset_id", sa.String(200), nullable=False),
        sa.Column("asset_type", sa.String(32), nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("try_no", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("endpoint_url", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text()),
        sa.Column("worker_id", sa.Text()),
        sa.Column("gpu", sa.Text()),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("workflow", sa.String(100), nullable=False),
        sa.Column("workflow_hash", sa.String(128), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("expected_outputs", sa.Text(), nullable=False),
        sa.Column("intended_at", TIME, nullable=False),
        sa.Column("submitted_at", TIME),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("collected_at", TIME),
        sa.Column("settled_at", TIME),
        sa.Column("queue_ms", sa.BigInteger()),
        sa.Column("execution_ms", sa.BigInteger()),
        sa.Column("download_ms", sa.BigInteger()),
        sa.Column("finish_ms", sa.BigInteger()),
        sa.Column("upload_ms", sa.BigInteger()),
        sa.Column("latency_ms", sa.BigInteger()),
        sa.Column("price_per_s_usd", USD),
        sa.Column("price_source", sa.Text(), nullable=False),
        sa.Column("cost_low_usd", USD),
        sa.Column("cost_estimate_usd", USD),
        sa.Column("cost_high_usd", USD),
        sa.Column("cost_source", sa.Text()),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("sha256", sa.String(64)),
        sa.Column("key", sa.Text()),
        sa.Column("quality_score", sa.Float()),
        sa.Column("error_class", sa.String(64)),
        sa.Column("error_text", sa.Text()),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_attempts_run_id_runs"),
    )
    for columns in (["run_id"], ["fingerprint"], ["status"], ["intended_at"], ["game", "asset_id"], ["game", "status"]):
        op.create_index("_".join(["ix_attempts", *columns]), "attempts", columns)
    op.create_index("uq_attempts_endpoint_job_id", "attempts", ["endpoint", "job_id"], unique=True)


def _finishes() -> None:
    op.create_table(
        "finishes",
        sa.Column("attempt_id", sa.String(64), nullable=False),
        sa.Column("finish_fingerprint", sa.String(128), nullable=False),
        sa.Column("game", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("sheet_key", sa.Text()),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "finish_fingerprint", name="pk_finishes"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name="fk_finishes_attempt_id_attempts"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_finishes_run_id_runs"),
    )
    op.create_index("ix_finishes_game", "finishes", ["game"])
