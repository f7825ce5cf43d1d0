"""Telling a DICOM file by its content; needs nothing of the extra `dicom`, so its absence can be told in a line."""

PREAMBLE = 128
MARK = b"DICM"


def is_dicom(content: bytes) -> bool:
    """Whether the content is a DICOM file (PS3.10, 7.1): ``DICM`` after a preamble of 128 bytes; 132 bytes suffice."""
    return content[PREAMBLE : PREAMBLE + len(MARK)] == MARK
