"""What the words of data sets mean: each data set's own vocabulary, as nodes of the tree.

The vocabularies stand in ``taxonomy/words.toml``. Every word of a data set's list means one node, or is a reviewed
exception with the reason why no node fits ("other", two diseases in one word).
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from cutis.errors import TaxonomyError, listed
from cutis.taxonomy.tree import folded


@dataclass(frozen=True)
class Vocabulary:
    """The words one data set uses for diagnoses.

    Args:
        data_set: its name, one of :data:`VOCABULARIES`.
        words: word, as the data set writes it → id of a node of the shipped tree.
        exceptions: word → why no node fits.
        source: where the list of words is from.
    """

    data_set: str
    words: Mapping[str, str]
    exceptions: Mapping[str, str]
    source: str

    def node_of(self, word: str) -> str | None:
        """The id of the node that a word means; None for a reviewed exception.

        If the exact word is not in the list, case, spaces, hyphens, underscores, commas and apostrophes do not matter.

        Raises:
            TaxonomyError: the data set has no such word; the message suggests the nearest of its words.
        """
        own = word if word in self.words or word in self.exceptions else self._by_fold.get(folded(word))
        if own is None:
            raise self._unknown(word)
        return self.words.get(own)

    @cached_property
    def _by_fold(self) -> dict[str, str]:
        return {folded(each): each for each in (*self.words, *self.exceptions)}

    def _unknown(self, word: str) -> TaxonomyError:
        near = difflib.get_close_matches(folded(word), self._by_fold, n=3, cutoff=0.6)
        fix = f"Did you mean {listed([repr(self._by_fold[each]) for each in near])}?" if near else ""
        return TaxonomyError(
            f"'{word}' is no diagnosis of {self.data_set}",
            fix=fix or f"Its words are {listed([*self.words, *self.exceptions])}.",
        )


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(resources.files("cutis.taxonomy").joinpath("words.toml").read_text(encoding="utf-8"))


VOCABULARIES: tuple[str, ...] = tuple(_tables())
"""The data sets whose words are known."""


@cache
def vocabulary(data_set: str) -> Vocabulary:
    """The words of a data set.

    Args:
        data_set: one of :data:`VOCABULARIES`.

    Raises:
        TaxonomyError: its words are not known.
    """
    if data_set not in VOCABULARIES:
        near = difflib.get_close_matches(folded(data_set).replace(" ", "-"), VOCABULARIES, n=3, cutoff=0.5)
        raise TaxonomyError(
            f"the words of data set '{data_set}' are not known",
            fix=f"Did you mean {listed(near)}?" if near else f"Use one of {', '.join(VOCABULARIES)}.",
        )
    table = _tables()[data_set]
    return Vocabulary(data_set, table["words"], table.get("exceptions", {}), table["source"])


def node_of_word(data_set: str, word: str) -> str | None:
    """The id of the node that a data set's word means; None for a reviewed exception.

    Raises:
        TaxonomyError: the data set is not known, or has no such word; the message suggests the nearest.
    """
    return vocabulary(data_set).node_of(word)
