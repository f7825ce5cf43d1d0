"""A study's results for download. They tell the truth and every answer, so the nurse is told first what that means."""

import io
import re
import tempfile
import zipfile
from pathlib import Path

from fastapi import APIRouter, Response

from cutis.study import write_export
from cutis.study.store import progress, record_look
from cutis.web.study.nurse_desk import HOME, NurseVisit, Posted, Problem, Seen, problems_told

nurse_results_router = APIRouter(prefix=HOME)


@nurse_results_router.get("/studies/{study_id}/results")
def results_page(visit: Seen, study_id: int) -> Response:
    """What the results hold, and why to wait for them."""
    return visit.page("results", info=visit.study(study_id), running=_running(visit, study_id))


@nurse_results_router.post("/studies/{study_id}/results")
def download(visit: Posted, study_id: int) -> Response:
    """All results in one zip file. While the study runs, its event log tells who got them."""
    info = visit.study(study_id)
    back = f"{HOME}/studies/{study_id}/results"
    if _running(visit, study_id) and visit.form.get("sure") != "yes":
        raise Problem("The study still runs: tick the box if you mean to see answers and truth now.", back=back)
    with problems_told(back):
        record_look(visit.store, study_id, str(visit.form.get("who") or ""), visit.now)
    with problems_told(back), tempfile.TemporaryDirectory(prefix="cutis-") as temporary:
        name = re.sub(r"[^\w.-]+", "-", info.title).strip("-.")[:60] or "study"
        folder = Path(temporary) / f"{name}-{visit.now:%Y-%m-%d}"
        exported = write_export(visit.store, study_id, folder, visit.now)
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in exported.files:
                archive.write(file, f"{folder.name}/{file.name}")
    plain = folder.name.encode("ascii", "replace").decode("ascii").replace("?", "-")
    return Response(
        held.getvalue(),
        media_type="application/zip",
        headers={"content-disposition": f'attachment; filename="{plain}.zip"'},
    )


def _running(visit: NurseVisit, study_id: int) -> bool:
    """Whether a reader may still answer."""
    if visit.study(study_id).closed_at is not None:
        return False
    with problems_told():
        readers = progress(visit.store, study_id, visit.now)
    return not readers or any(each.state not in ("finished", "withdrawn") for each in readers)
