"""The audit log: that an answer was given, when, by which model and for whom; never of what."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from cutis import __version__
from cutis.errors import CutisError
from cutis.web.clinic.journal import current_request


class AuditLog:
    """A file of JSON lines that only grows: it is opened for appending, each line is written at once.

    Args:
        path: made if it does not exist, readable by its owner alone.
        model: name of the model that answers.
        sha256: hash of its weights.

    Raises:
        CutisError: it cannot be written.
    """

    def __init__(self, path: Path, *, model: str, sha256: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise CutisError(
                f"cannot be written ({error.strerror or error})", where=str(path), fix="Name another file."
            ) from error
        self._model = {"model": model, "model_sha256": sha256, "cutis": __version__}

    def write(self, what: str, images: int) -> None:
        """One line.

        Args:
            what: ``"predict"``, ``"explain"`` or ``"similar"``.
            images: how many photographs were answered.

        Raises:
            OSError: it cannot be written; then no answer may be given.
        """
        request = current_request()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {"time": now, "id": request.id, "key": request.key, "what": what, "images": images, **self._model}
        line = (json.dumps(told, ensure_ascii=False) + "\n").encode()
        if os.write(self._file, line) != len(line):
            raise OSError("the audit log could not be written whole")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
