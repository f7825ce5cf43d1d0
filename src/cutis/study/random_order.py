"""Random orders that can be made again: sorted by a keyed hash, so no version of a random generator matters.

The place of a name depends on the seed, the purpose and the name alone. So a name that is taken away leaves the order
of the others as it was, which is what makes the next case of a stratum the one that replaces an unfit one.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import TypeVar

Name = TypeVar("Name", str, int)


def draw(*words: str | int) -> int:
    """A number of 64 random bits, the same for the same words: a seed, the purpose, and what it is drawn for."""
    # Each word with its length, so that ("a", "bc") and ("ab", "c") differ.
    told = "".join(f"{len(str(each))}:{each}" for each in words)
    return int.from_bytes(blake2b(told.encode(), digest_size=8).digest(), "big")


def random_order(names: Iterable[Name], *words: str | int) -> list[Name]:
    """The distinct names in an order that depends on the words (a seed and the purpose) alone."""
    return sorted(names, key=lambda each: (draw(*words, each), str(each)))
