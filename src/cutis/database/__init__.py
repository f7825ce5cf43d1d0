"""What the rooms that keep a database share: opening one, types of column, and hashes of what is kept.

A SQLite file or PostgreSQL, by URL, with the same code. Each room has tables, migrations and errors of its own.
"""

from cutis.database.canonical import canonical_json, content_sha256
from cutis.database.clock import steady
from cutis.database.columns import NAMES, AnyRow, CanonicalJson, UtcTime
from cutis.database.connection import Database, Schema, migration_config, parsed_url

__all__ = [
    "NAMES",
    "AnyRow",
    "CanonicalJson",
    "Database",
    "Schema",
    "UtcTime",
    "canonical_json",
    "content_sha256",
    "migration_config",
    "parsed_url",
    "steady",
]
