"""Out of the follow-up: a patient's whole record, for the patient (GDPR, article 15), and a manifest for research."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from sqlalchemy import select

from cutis.clinic import STATEMENT
from cutis.data import manifest_frame, write_manifest
from cutis.files import replacing, replacing_folder
from cutis.follow_up.errors import FollowUpError
from cutis.follow_up.events import Log
from cutis.follow_up.history import patient_history
from cutis.follow_up.photographs import KeptPhotograph, jpeg_of, photographs_of
from cutis.follow_up.records import Lesion, lesions_of, patient_of
from cutis.follow_up.store import Store
from cutis.follow_up.tables import PatientRow
from cutis.taxonomy import shipped_taxonomy

RECORD = "record.json"
MANIFEST = "manifest.parquet"
SOURCE = "follow-up"


class ExportedManifest(NamedTuple):
    """What was written, and how many patients were left out as they have not agreed to research."""

    manifest: Path
    patients: int
    lesions: int
    photographs: int
    left_out: int


def patient_record(store: Store, patient: str, now: datetime) -> dict[str, Any]:
    """All that is kept of a patient, as JSON: facts, lesions, photographs with answers, history.

    Raises:
        AccessError: there is no such patient.
    """
    found = patient_of(store, patient)
    lesions = []
    for each in lesions_of(store, patient):
        photographs = [_photograph_told(each, one) for one in photographs_of(store, each.uid)]
        lesions.append({"uid": each.uid, **each.facts.model_dump(mode="json"), "photographs": photographs})
    return {
        "statement": STATEMENT,
        "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "follow_up": store.title,
        "patient": {"uid": found.uid, **found.facts.model_dump(mode="json")},
        "lesions": lesions,
        "history": [
            {**change._asdict(), "at": change.at.isoformat(timespec="seconds")}
            for change in patient_history(store, patient)
        ],
    }


def patient_zip(store: Store, patient: str, now: datetime, by: str | None = None) -> Iterator[bytes]:
    """A patient's record as a zip file, in pieces: ``record.json`` and the photographs. One is in memory at a time.

    That it was exported is noted in the history, first of all.

    Raises:
        AccessError: there is no such patient.
    """
    record = patient_record(store, patient, now)
    store.write(lambda connection: Log(connection, now, by).append("exported", {}, subject=patient))
    return _zipped(store, record)


def export_patient(store: Store, patient: str, path: str | Path, now: datetime, by: str | None = None) -> int:
    """Write a patient's record as a zip file.

    Returns:
        Its size in bytes.

    Raises:
        AccessError: there is no such patient.
        FollowUpError: the file exists already.
    """
    path = Path(path)
    if path.exists():
        raise FollowUpError("exists already; nothing is overwritten", where=str(path), fix="Name another file.")
    with replacing(path) as temporary, temporary.open("wb") as file:
        for piece in patient_zip(store, patient, now, by):
            file.write(piece)
    path.chmod(0o600)
    return path.stat().st_size


def export_manifest(store: Store, folder: str | Path, now: datetime, by: str | None = None) -> ExportedManifest:
    """Write a folder with a manifest and the photographs of the patients who have agreed to research.

    Ids are random; the clinic's number, notes and who added a photograph stay behind. Days and years of age are there,
    and can tell who somebody is: treat the folder as a patient's data. A diagnosis is given where histology gave one.

    Raises:
        FollowUpError: the folder holds something, or nobody has agreed.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FollowUpError("exists already; nothing is overwritten", where=str(folder), fix="Name another folder.")
    columns = (PatientRow.uid, PatientRow.research)
    people = store.read(lambda connection: connection.execute(select(*columns).order_by(PatientRow.uid)).all())
    agreed = [row.uid for row in people if row.research]
    rows: list[dict[str, Any]] = []
    with replacing_folder(folder) as temporary:
        (temporary / "images").mkdir()
        for patient in agreed:
            for lesion in lesions_of(store, patient):
                for each in photographs_of(store, lesion.uid):
                    file = temporary / "images" / f"{each.uid}.jpg"
                    file.write_bytes(jpeg_of(store, each.uid))
                    rows.append(_manifest_row(store, lesion, each, file))
        if not rows:
            raise FollowUpError(
                "no photograph is of a patient who has agreed to research",
                fix="Tick it on the patient's page once they have agreed in writing.",
            )
        frame = manifest_frame(pl.DataFrame(rows, infer_schema_length=None))
        write_manifest(frame, temporary / MANIFEST)
        temporary.chmod(0o700)
    folder.chmod(0o700)
    counts = [len({row[name] for row in rows}) for name in ("patient_id", "lesion_id", "image_id")]
    store.write(lambda connection: Log(connection, now, by).append("manifest exported", {"photographs": counts[2]}))
    return ExportedManifest(folder / MANIFEST, counts[0], counts[1], counts[2], len(people) - len(agreed))


def _manifest_row(store: Store, lesion: Lesion, each: KeptPhotograph, file: Path) -> dict[str, Any]:
    facts = patient_of(store, lesion.patient).facts
    node = lesion.facts.node
    return {
        "image_id": each.uid,
        "image_path": str(file.resolve()),
        "source": SOURCE,
        "lesion_id": lesion.uid,
        "patient_id": lesion.patient,
        "diagnosis_node": node,
        "diagnosis": shipped_taxonomy()[node].isic if node is not None else None,
        "diagnosis_confirm_type": "histopathology" if node is not None else None,
        "age_approx": None if facts.birth_year is None else min(120, each.facts.taken_on.year - facts.birth_year),
        "sex": facts.sex,
        "anatom_site": lesion.facts.site,
        "fitzpatrick_skin_type": facts.skin_type,
        "image_type": each.facts.image_type,
        "acquired_at": datetime.combine(each.facts.taken_on, datetime.min.time()),
        "lesion_status": lesion.facts.status,
    }


def photograph_name(lesion: Lesion, each: KeptPhotograph) -> str:
    """A photograph's name in an export."""
    label = "".join(letter if letter.isalnum() else "_" for letter in lesion.facts.label)
    return f"photographs/{label}_{each.facts.taken_on:%Y-%m-%d}_{each.uid[:8]}.jpg"


def _photograph_told(lesion: Lesion, each: KeptPhotograph) -> dict[str, Any]:
    return {
        "uid": each.uid,
        "file": photograph_name(lesion, each),
        "sha256": each.sha256,
        **each.facts.model_dump(mode="json"),
        "width": each.width,
        "height": each.height,
        "added_at": each.added_at.isoformat(timespec="seconds"),
        "added_by": each.added_by,
        "answers": [
            {
                "at": one.at.isoformat(timespec="seconds"),
                "model": one.model._asdict(),
                "given": one.given._asdict(),
                "answer": one.answer.model_dump(mode="json"),
            }
            for one in each.answers
        ],
    }


class _Pieces(io.RawIOBase):
    """A file that is only written to, and of which what was written is taken away."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._held += content
        return len(content)

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held


def _zipped(store: Store, record: dict[str, Any]) -> Iterator[bytes]:
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as made:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        moment = _moment(record["exported_at"])
        made.writestr(zipfile.ZipInfo(RECORD, moment), text)
        yield pieces.taken()
        for lesion in record["lesions"]:
            for each in lesion["photographs"]:
                made.writestr(
                    zipfile.ZipInfo(each["file"], _moment(record["exported_at"])), jpeg_of(store, each["uid"])
                )
                yield pieces.taken()
    yield pieces.taken()


def _moment(at: str) -> tuple[int, int, int, int, int, int]:
    when = datetime.fromisoformat(at)
    return when.year, when.month, when.day, when.hour, when.minute, when.second
