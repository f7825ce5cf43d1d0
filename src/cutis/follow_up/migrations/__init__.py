"""Alembic's migrations of a follow-up's database."""
