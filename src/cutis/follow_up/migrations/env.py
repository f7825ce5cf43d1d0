"""Alembic's entry: migrations run on the connection that :mod:`cutis.database` hands over."""

from alembic import context

from cutis.follow_up.database import VERSION_TABLE
from cutis.follow_up.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
    transactional_ddl=True,  # SQLite can, too; the caller's transaction holds it all
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
