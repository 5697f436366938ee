"""The schema of the store: Alembic scripts, and the scripts that make it at once."""
