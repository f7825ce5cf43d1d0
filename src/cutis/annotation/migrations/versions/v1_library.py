"""The tables of a library, and the triggers that keep what was annotated.

Revision ID: 1
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision: str | None = None

_MOMENT = sa.DateTime(timezone=True)
_TABLES = ("annotation_events", "annotation_kept", "annotation_images", "annotation_people", "annotation_library")

_GIVEN = ("image_id", "image_path", "source", "image_type", "node", "confirm_type", "box", "cluster")
_GIVEN_CHANGED = " OR ".join(
    (
        "NEW.id <> OLD.id OR NEW.width <> OLD.width OR NEW.height <> OLD.height",
        *(f"coalesce(NEW.{each}, '') <> coalesce(OLD.{each}, '')" for each in _GIVEN),
    )
)
_NOT_NEXT = "NEW.version <> OLD.version + 1 OR NEW.image_id <> OLD.image_id OR NEW.person_id <> OLD.person_id"
# Table, name of the rule, when it is checked, what is refused (empty: all), the words.
_RULES = (
    ("annotation_images", "kept", "UPDATE", _GIVEN_CHANGED, "what the manifest says is not changed"),
    ("annotation_images", "not_deleted", "DELETE", "", "images are not deleted"),
    ("annotation_kept", "in_order", "UPDATE", _NOT_NEXT, "an annotation is followed by its next version only"),
    ("annotation_kept", "not_deleted", "DELETE", "", "annotations are not deleted"),
    ("annotation_events", "kept", "UPDATE", "", "the history is only appended to"),
    ("annotation_events", "not_deleted", "DELETE", "", "the history is only appended to"),
)


def upgrade() -> None:
    """Make everything."""
    _make_tables()
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table, name, when, refused, words in _RULES:
        if postgresql:
            error = f"RAISE EXCEPTION '{table}: {words}' USING ERRCODE = 'integrity_constraint_violation';"
            body = f"IF {refused} THEN {error} END IF; RETURN NEW;" if refused else error
            op.execute(
                f"CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $rule$ BEGIN {body} END $rule$"
            )
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_{name}()"
            )
        else:
            condition = f"WHEN {refused} " if refused else ""
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} FOR EACH ROW {condition}"
                f"BEGIN SELECT RAISE(ABORT, '{table}: {words}'); END"
            )
    if postgresql:
        for table in _TABLES[:3]:
            op.execute(
                f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_not_deleted()"
            )


def downgrade() -> None:
    """Drop everything."""
    for table in _TABLES:
        op.drop_table(table)  # and its triggers
    if op.get_bind().dialect.name == "postgresql":
        for table, name, *_ in _RULES:
            op.execute(f"DROP FUNCTION {table}_{name}()")


def _make_tables() -> None:
    op.create_table(
        "annotation_library",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("iou", sa.Double(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_annotation_library_one")),
        sa.CheckConstraint("iou > 0 AND iou <= 1", name=op.f("ck_annotation_library_iou")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation_library")),
    )
    op.create_table(
        "annotation_people",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=9), nullable=False),
        sa.Column("invitation_sha256", sa.String(length=64), nullable=True),
        sa.Column("session_sha256", sa.String(length=64), nullable=True),
        sa.CheckConstraint("role IN ('annotator', 'curator')", name=op.f("ck_annotation_people_role")),
        sa.CheckConstraint(
            "invitation_sha256 IS NULL OR length(invitation_sha256) = 64",
            name=op.f("ck_annotation_people_invitation_is_hash"),
        ),
        sa.CheckConstraint(
            "session_sha256 IS NULL OR length(session_sha256) = 64", name=op.f("ck_annotation_people_session_is_hash")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation_people")),
        sa.UniqueConstraint("invitation_sha256", name=op.f("uq_annotation_people_invitation_sha256")),
        sa.UniqueConstraint("name", name=op.f("uq_annotation_people_name")),
        sa.UniqueConstraint("session_sha256", name=op.f("uq_annotation_people_session_sha256")),
    )
    op.create_table(
        "annotation_images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("image_path", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("image_type", sa.Text(), nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("confirm_type", sa.Text(), nullable=True),
        sa.Column("box", sa.Text(), nullable=True),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=11), nullable=False),
        sa.Column("diagnosis_settled", sa.Boolean(), nullable=False),
        sa.Column("settled_node", sa.Text(), nullable=True),
        sa.Column("settled_confirm_type", sa.Text(), nullable=True),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck_annotation_images_size")),
        sa.CheckConstraint(
            "state IN ('untouched', 'one', 'agreed', 'disagreed', 'adjudicated')",
            name=op.f("ck_annotation_images_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation_images")),
        sa.UniqueConstraint("image_id", name=op.f("uq_annotation_images_image_id")),
    )
    op.create_index(op.f("ix_annotation_images_node"), "annotation_images", ["node"])
    op.create_index(op.f("ix_annotation_images_state"), "annotation_images", ["state"])
    op.create_table(
        "annotation_kept",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("confirm_type", sa.Text(), nullable=True),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("rests_on", sa.Text(), nullable=True),
        sa.CheckConstraint("version > 0", name=op.f("ck_annotation_kept_version")),
        sa.ForeignKeyConstraint(["image_id"], ["annotation_images.id"], name=op.f("fk_annotation_kept_image_id")),
        sa.ForeignKeyConstraint(["person_id"], ["annotation_people.id"], name=op.f("fk_annotation_kept_person_id")),
        sa.PrimaryKeyConstraint("image_id", "person_id", name=op.f("pk_annotation_kept")),
    )
    op.create_index(op.f("ix_annotation_kept_person_id_image_id"), "annotation_kept", ["person_id", "image_id"])
    op.create_table(
        "annotation_events",
        sa.Column("sequence", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("length(previous) = 64 AND length(hash) = 64", name=op.f("ck_annotation_events_hashes")),
        sa.CheckConstraint("sequence >= 0", name=op.f("ck_annotation_events_sequence")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_annotation_events")),
    )
    op.create_index(op.f("ix_annotation_events_image"), "annotation_events", ["image"])
