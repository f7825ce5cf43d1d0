"""One form of what the AI says, the pause of a whole study, and who sent an answer.

What was kept of the AI becomes an ``AiOutput``: what was not kept then stays unknown (null), and every value goes back
to where it was, since the log's hash of the cases is of the first form.

Revision ID: 2
Revises: 1
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from cutis.database import canonical_json
from cutis.taxonomy import OTHER, shipped_taxonomy

revision = "2"
down_revision = "1"

_SENT_BY = "sent_by IS NULL OR (sent_by IN ('reader', 'time limit') AND answer IS NOT NULL)"
_MOMENT = {"sqlite": "DATETIME", "postgresql": "TIMESTAMP WITH TIME ZONE"}


def upgrade() -> None:
    """Change the tables, then what they hold."""
    moment = _MOMENT[op.get_bind().dialect.name]
    # Not by alembic's batches, which copy a table on SQLite and lose its triggers.
    op.execute("ALTER TABLE cases RENAME COLUMN aid TO ai_output")
    op.execute("ALTER TABLE cases ADD COLUMN heatmap_path TEXT")
    op.execute(
        f"ALTER TABLE studies ADD COLUMN paused_at {moment} "
        "CONSTRAINT ck_studies_paused_after_created CHECK (paused_at IS NULL OR paused_at >= created_at)"
    )
    op.execute(f"ALTER TABLE steps ADD COLUMN sent_by VARCHAR(10) CONSTRAINT ck_steps_sent_by CHECK ({_SENT_BY})")
    _change_cases(_with_output)


def downgrade() -> None:
    """And back."""
    _change_cases(_with_aid)
    op.execute("ALTER TABLE cases DROP COLUMN heatmap_path")
    op.execute("ALTER TABLE cases RENAME COLUMN ai_output TO aid")
    op.execute("ALTER TABLE studies DROP COLUMN paused_at")
    op.execute("ALTER TABLE steps DROP COLUMN sent_by")


def _with_output(said: dict[str, Any], _heatmap: str | None) -> tuple[dict[str, Any], str | None]:
    named = [{"id": word, "name": _name(word), "probability": share} for word, share in said["differential"] or ()]
    unknown = {"above": None, "risk_probabilities": None, "unfamiliar": None}
    return {"differential": named, "risk": said["risk"], **unknown}, said["heatmap_path"]


def _with_aid(said: dict[str, Any], heatmap: str | None) -> tuple[dict[str, Any], None]:
    listed = [[each["id"], each["probability"]] for each in said["differential"]] or None
    return {"differential": listed, "risk": said["risk"], "heatmap_path": heatmap}, None


def _name(word: str) -> str:
    if word == OTHER:
        return "Other"
    return shipped_taxonomy()[word].name if word in shipped_taxonomy() else word


def _change_cases(change: Any) -> None:
    """Change what is said of each case. The rule that cases are not changed is set aside for it."""
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    rule = ""
    if sqlite:
        rule = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'cases_kept'")).scalar_one()
        op.execute("DROP TRIGGER cases_kept")
    else:
        op.execute("ALTER TABLE cases DISABLE TRIGGER cases_kept")
    rows = connection.execute(
        sa.text("SELECT study_id, case_id, ai_output, heatmap_path FROM cases WHERE ai_output IS NOT NULL")
    ).all()
    for row in rows:
        said, heatmap = change(json.loads(row.ai_output), row.heatmap_path)
        connection.execute(
            sa.text(
                "UPDATE cases SET ai_output = :said, heatmap_path = :heatmap "
                "WHERE study_id = :study AND case_id = :case"
            ),
            {"said": canonical_json(said), "heatmap": heatmap, "study": row.study_id, "case": row.case_id},
        )
    connection.exec_driver_sql(rule or "ALTER TABLE cases ENABLE TRIGGER cases_kept")
