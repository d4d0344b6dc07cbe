"""alembic's entry: runs the migrations on the connection that it is handed, inside its transaction.

It never opens a database by itself: the lock and the commit belong to `assetmill.ledger.schema`.
"""

from __future__ import annotations

from alembic import context

from assetmill.ledger.schema import VERSION_TABLE
from assetmill.ledger.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
