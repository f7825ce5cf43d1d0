"""Whether DICOM can be read and written here: told in a line before work begins, not as a missing module."""

from cutis.errors import CutisError


def need_dicom() -> None:
    """Check that the extra ``dicom`` is installed.

    Raises:
        CutisError: it is not.
    """
    try:
        from cutis.clinic import deidentified, dicom_report  # noqa: F401 - only whether they can be had
    except ModuleNotFoundError as error:
        raise CutisError(
            f"DICOM needs the package '{error.name}', which is not installed", fix="Run: pip install 'cutis[dicom]'"
        ) from error
