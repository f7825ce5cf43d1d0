"""API keys: who may use the API, in a file that only its owner may read; of a key it holds a salted hash alone."""

import hashlib
import hmac
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutis.errors import CutisError
from cutis.files import replacing

_NAME = re.compile(r"[\w][\w .@+-]{0,59}")
_KEY = re.compile(r"cutis_([0-9a-f]{8})_([\w-]{43})", re.ASCII)


class ApiKey(BaseModel):
    """One key, without the key itself.

    Attributes:
        name: of whoever uses it; it stands in logs.
        id: the middle of the key, by which it is found.
        salt: random, hexadecimal.
        hash: SHA-256 of salt and key; the key has 256 random bits, so it need not be slow.
        images_per_minute: how many photographs it may send, steadily; as many at once.
        made: when.
        revoked: since when it is not accepted; None while it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    salt: str
    hash: str
    images_per_minute: int = Field(ge=1)
    made: datetime
    revoked: datetime | None = None


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[ApiKey] = []


class KeyFile:
    """The keys in a file, which may change while the server runs: a key that is revoked is refused from then on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def known(self) -> list[ApiKey]:
        """All keys, those revoked as well, the oldest first.

        Raises:
            CutisError: the file is missing, damaged, or may be read by others than its owner.
        """
        try:
            found = self.path.stat()
            if os.name == "posix" and found.st_mode & 0o077:
                raise CutisError(
                    "may be read by others than its owner", where=str(self.path), fix=f"Run: chmod 600 {self.path}"
                )
            stamp = found.st_mtime_ns, found.st_size, found.st_ino
            if stamp != self._read_at:
                kept = _Kept.model_validate_json(self.path.read_bytes())
                self._keys, self._read_at = {each.id: each for each in kept.keys}, stamp
        except FileNotFoundError as error:
            raise CutisError(
                "does not exist", where=str(self.path), fix="Make a first key: cutis serve keys add NAME --keys FILE"
            ) from error
        except OSError as error:
            raise CutisError(
                f"cannot be read ({error.strerror or error})", where=str(self.path), fix="Check its permissions."
            ) from error
        except ValidationError as error:
            raise CutisError("is no file of API keys", where=str(self.path), fix="Name another file.") from error
        return list(self._keys.values())

    def add(self, name: str, *, images_per_minute: int) -> str:
        """Make a key and return it: it is told this once.

        Raises:
            CutisError: the name is taken or not fit to stand in a log; or as :meth:`known`.
        """
        if not _NAME.fullmatch(name):
            raise CutisError(f"'{name}' is no name for a key", fix="Use 1 to 60 letters, digits, spaces and . @ + - _")
        known = self.known() if self.path.exists() else []
        if any(each.name == name and each.revoked is None for each in known):
            raise CutisError(f"a key is called '{name}' already", where=str(self.path), fix="Revoke it first.")
        key_id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
        key = f"cutis_{key_id}_{secret}"
        made = ApiKey(
            name=name, id=key_id, salt=salt, hash=_hash(salt, key), images_per_minute=images_per_minute, made=_now()
        )
        self._write([*known, made])
        return key

    def revoke(self, name: str) -> None:
        """Accept a key no longer.

        Raises:
            CutisError: there is no such key in use; or as :meth:`known`.
        """
        known = self.known()
        if not any(each.name == name and each.revoked is None for each in known):
            raise CutisError(
                f"no key in use is called '{name}'", where=str(self.path), fix="See: cutis serve keys list"
            )
        now = _now()
        self._write(
            [
                each.model_copy(update={"revoked": now}) if each.name == name and each.revoked is None else each
                for each in known
            ]
        )

    def matching(self, given: str) -> ApiKey | None:
        """The key in use that somebody gives, or None.

        Raises:
            CutisError: as :meth:`known`.
        """
        self.known()
        parts = _KEY.fullmatch(given)
        known = self._keys.get(parts[1]) if parts else None
        # As long for a key that there is as for one that there is not.
        fits = hmac.compare_digest(_hash(known.salt if known else "", given), known.hash if known else "0" * 64)
        return known if known is not None and fits and known.revoked is None else None

    def _write(self, keys: list[ApiKey]) -> None:
        before = os.umask(0o077)  # what is written next is its owner's alone, from its first byte on
        try:
            with replacing(self.path) as temporary:
                temporary.write_text(_Kept(keys=keys).model_dump_json(indent=2) + "\n", encoding="utf-8")
        finally:
            os.umask(before)
        self._read_at = None


def _hash(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}:{key}".encode("utf-8", "replace")).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
