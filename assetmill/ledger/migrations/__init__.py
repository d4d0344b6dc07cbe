"""Migrations of the ledger; `assetmill.ledger.schema` runs them, never the alembic command."""
