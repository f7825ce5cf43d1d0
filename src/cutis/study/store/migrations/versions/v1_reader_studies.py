"""The tables of reader studies, and the triggers that keep what was answered.

Revision ID: 1
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision: str | None = None

_MOMENT = sa.DateTime(timezone=True)

_STEP_CHANGED = " OR ".join(
    (
        "OLD.left_at IS NOT NULL",
        "NEW.id <> OLD.id OR NEW.item_id <> OLD.item_id OR NEW.reader_id <> OLD.reader_id OR NEW.number <> OLD.number",
        "NEW.place <> OLD.place OR NEW.arm <> OLD.arm OR NEW.key <> OLD.key",
        "(OLD.shown_at IS NOT NULL AND (NEW.shown_at IS NULL OR NEW.shown_at <> OLD.shown_at))",
        "(OLD.due_at IS NOT NULL AND (NEW.due_at IS NULL OR NEW.due_at <> OLD.due_at))",
        "(OLD.shown_at IS NOT NULL AND OLD.due_at IS NULL AND NEW.due_at IS NOT NULL)",
        "(OLD.accepted_until IS NOT NULL AND (NEW.accepted_until IS NULL OR NEW.accepted_until <> OLD.accepted_until))",
        "(OLD.outcome IS NOT NULL AND (NEW.outcome IS NULL OR NEW.outcome <> OLD.outcome))",
    )
)
_OUT_OF_ORDER = (
    "OLD.shown_at IS NULL AND NEW.shown_at IS NOT NULL AND EXISTS (SELECT 1 FROM steps AS earlier "
    "WHERE earlier.reader_id = NEW.reader_id AND earlier.place < NEW.place AND earlier.left_at IS NULL)"
)
# Table, name of the rule, when it is checked, what is refused (empty: all), the words.
_RULES = (
    ("steps", "kept", "UPDATE", _STEP_CHANGED, "a step that is over, or what was fixed when it was shown, stays"),
    ("steps", "in_order", "UPDATE", _OUT_OF_ORDER, "an earlier step is not over"),
    ("steps", "not_deleted", "DELETE", "", "steps are not deleted"),
    ("items", "kept", "UPDATE", "", "items are not changed"),
    ("items", "not_deleted", "DELETE", "", "items are not deleted"),
    ("cases", "kept", "UPDATE", "", "cases are not changed"),
    ("cases", "not_deleted", "DELETE", "", "cases are not deleted"),
    ("events", "kept", "UPDATE", "", "events are only appended"),
    ("events", "not_deleted", "DELETE", "", "events are only appended"),
)


def upgrade() -> None:
    """Make everything."""
    _make_tables()
    for rule in _RULES:
        if op.get_bind().dialect.name == "sqlite":
            _make_sqlite_trigger(*rule)
        else:
            _make_postgresql_trigger(*rule)
    if op.get_bind().dialect.name == "postgresql":
        for table in ("steps", "items", "cases", "events"):
            op.execute(
                f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_not_deleted()"
            )


def downgrade() -> None:
    """Drop everything."""
    tables = ("events", "steps", "items", "readers", "cases", "studies")
    for table in tables:
        op.drop_table(table)  # and its triggers
    if op.get_bind().dialect.name == "postgresql":
        for table, name, *_ in _RULES:
            op.execute(f"DROP FUNCTION {table}_{name}()")


def _make_sqlite_trigger(table: str, name: str, when: str, refused: str, words: str) -> None:
    condition = f"WHEN {refused} " if refused else ""
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} FOR EACH ROW {condition}"
        f"BEGIN SELECT RAISE(ABORT, '{table}: {words}'); END"
    )


def _make_postgresql_trigger(table: str, name: str, when: str, refused: str, words: str) -> None:
    error = f"RAISE EXCEPTION '{table}: {words}' USING ERRCODE = 'integrity_constraint_violation';"
    body = f"IF {refused} THEN {error} END IF; RETURN NEW;" if refused else error
    op.execute(f"CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $rule$ BEGIN {body} END $rule$")
    op.execute(f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_{name}()")


def _make_tables() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("design", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("closed_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "closed_at IS NULL OR closed_at >= created_at", name=op.f("ck_studies_closed_after_created")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("key", name=op.f("uq_studies_key")),
    )
    op.create_table(
        "cases",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=8), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("image_path", sa.Text(), nullable=False),
        sa.Column("truth", sa.Text(), nullable=False),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("aid", sa.Text(), nullable=True),
        sa.CheckConstraint("part IN ('training', 'main')", name=op.f("ck_cases_part")),
        sa.CheckConstraint("place >= 0 AND stratum >= 0", name=op.f("ck_cases_counts")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_cases_study_id")),
        sa.PrimaryKeyConstraint("study_id", "case_id", name=op.f("pk_cases")),
        sa.UniqueConstraint("study_id", "place", name=op.f("uq_cases_study_id_place")),
    )
    op.create_table(
        "events",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("chain >= -1 AND sequence >= 0", name=op.f("ck_events_counts")),
        sa.CheckConstraint("length(previous) = 64 AND length(hash) = 64", name=op.f("ck_events_hashes")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_events_study_id")),
        sa.PrimaryKeyConstraint("study_id", "chain", "sequence", name=op.f("pk_events")),
    )
    op.create_table(
        "readers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reader_group", sa.Text(), nullable=False),
        sa.Column("number_in_group", sa.Integer(), nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("invitation_sha256", sa.String(length=64), nullable=True),
        sa.Column("session_sha256", sa.String(length=64), nullable=True),
        sa.Column("joined_at", _MOMENT, nullable=True),
        sa.Column("consented_at", _MOMENT, nullable=True),
        sa.Column("instructed_at", _MOMENT, nullable=True),
        sa.Column("paused_at", _MOMENT, nullable=True),
        sa.Column("finished_at", _MOMENT, nullable=True),
        sa.Column("withdrawn_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "consented_at IS NULL OR joined_at IS NOT NULL", name=op.f("ck_readers_joined_before_consent")
        ),
        sa.CheckConstraint(
            "finished_at IS NULL OR instructed_at IS NOT NULL", name=op.f("ck_readers_instructions_before_finish")
        ),
        sa.CheckConstraint(
            "instructed_at IS NULL OR consented_at IS NOT NULL", name=op.f("ck_readers_consent_before_instructions")
        ),
        sa.CheckConstraint(
            "invitation_sha256 IS NULL OR length(invitation_sha256) = 64", name=op.f("ck_readers_invitation_is_hash")
        ),
        sa.CheckConstraint("number >= 0 AND number_in_group >= 0", name=op.f("ck_readers_counts")),
        sa.CheckConstraint(
            "session_sha256 IS NULL OR length(session_sha256) = 64", name=op.f("ck_readers_session_is_hash")
        ),
        sa.CheckConstraint(
            "withdrawn_at IS NULL OR (invitation_sha256 IS NULL AND session_sha256 IS NULL)",
            name=op.f("ck_readers_withdrawn_is_out"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_readers_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readers")),
        sa.UniqueConstraint("id", "study_id", name=op.f("uq_readers_id_study_id")),
        sa.UniqueConstraint("invitation_sha256", name=op.f("uq_readers_invitation_sha256")),
        sa.UniqueConstraint("session_sha256", name=op.f("uq_readers_session_sha256")),
        sa.UniqueConstraint("study_id", "name", name=op.f("uq_readers_study_id_name")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_readers_study_id_number")),
        sa.UniqueConstraint(
            "study_id", "reader_group", "number_in_group", name=op.f("uq_readers_study_id_reader_group_number_in_group")
        ),
    )
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("part", sa.String(length=8), nullable=False),
        sa.CheckConstraint("part IN ('training', 'main', 'repeat')", name=op.f("ck_items_part")),
        sa.CheckConstraint("position >= 0 AND period >= 0", name=op.f("ck_items_counts")),
        sa.ForeignKeyConstraint(
            ["reader_id", "study_id"], ["readers.id", "readers.study_id"], name=op.f("fk_items_reader_id_study_id")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "case_id"], ["cases.study_id", "cases.case_id"], name=op.f("fk_items_study_id_case_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("id", "reader_id", name=op.f("uq_items_id_reader_id")),
        sa.UniqueConstraint("reader_id", "position", name=op.f("uq_items_reader_id_position")),
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=22), nullable=False),
        sa.Column("shown_at", _MOMENT, nullable=True),
        sa.Column("due_at", _MOMENT, nullable=True),
        sa.Column("accepted_until", _MOMENT, nullable=True),
        sa.Column("outcome", sa.String(length=9), nullable=True),
        sa.Column("answered_at", _MOMENT, nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("left_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "(outcome IS NOT NULL AND outcome = 'answered') = (answered_at IS NOT NULL)",
            name=op.f("ck_steps_answered_has_time"),
        ),
        sa.CheckConstraint("outcome IN ('answered', 'timed out')", name=op.f("ck_steps_outcome")),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome = 'answered' OR due_at IS NOT NULL",
            name=op.f("ck_steps_timed_out_only_with_limit"),
        ),
        sa.CheckConstraint(
            "(answered_at IS NOT NULL) = (answer IS NOT NULL)", name=op.f("ck_steps_answered_has_answer")
        ),
        sa.CheckConstraint("(due_at IS NULL) = (accepted_until IS NULL)", name=op.f("ck_steps_due_has_grace")),
        sa.CheckConstraint(
            "answered_at IS NULL OR accepted_until IS NULL OR answered_at <= accepted_until",
            name=op.f("ck_steps_answered_in_time"),
        ),
        sa.CheckConstraint(
            "answered_at IS NULL OR answered_at >= shown_at", name=op.f("ck_steps_answered_after_shown")
        ),
        sa.CheckConstraint(
            "due_at IS NULL OR (shown_at IS NOT NULL AND due_at > shown_at)", name=op.f("ck_steps_due_after_shown")
        ),
        sa.CheckConstraint("due_at IS NULL OR accepted_until >= due_at", name=op.f("ck_steps_grace")),
        sa.CheckConstraint("left_at IS NULL OR left_at >= shown_at", name=op.f("ck_steps_left_after_shown")),
        sa.CheckConstraint("left_at IS NULL OR outcome IS NOT NULL", name=op.f("ck_steps_outcome_before_left")),
        sa.CheckConstraint("number IN (0, 1) AND place >= 0", name=op.f("ck_steps_counts")),
        sa.CheckConstraint("outcome IS NULL OR shown_at IS NOT NULL", name=op.f("ck_steps_shown_before_outcome")),
        sa.ForeignKeyConstraint(
            ["item_id", "reader_id"], ["items.id", "items.reader_id"], name=op.f("fk_steps_item_id_reader_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
        sa.UniqueConstraint("item_id", "number", name=op.f("uq_steps_item_id_number")),
        sa.UniqueConstraint("key", name=op.f("uq_steps_key")),
        sa.UniqueConstraint("reader_id", "place", name=op.f("uq_steps_reader_id_place")),
    )
    op.create_index(
        "uq_steps_one_on_screen",
        "steps",
        ["reader_id"],
        unique=True,
        sqlite_where=sa.text("shown_at IS NOT NULL AND left_at IS NULL"),
        postgresql_where=sa.text("shown_at IS NOT NULL AND left_at IS NULL"),
    )
