"""${message}.

Revision: ${up_revision}, after ${down_revision | comma,n}. It only adds: an assetmill of the day before
must still be able to read and write these tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Add what is new."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Never: settled rows are not thrown away."""
    raise NotImplementedError("the ledger only grows")
