"""Alembic's migrations of a library's database."""
