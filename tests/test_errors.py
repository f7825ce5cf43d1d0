import pickle

from cutis.errors import CutisError, ManifestError, listed


def test_a_message_says_where_what_and_what_to_do():
    error = ManifestError("column 'image_id' is missing", where="ham.csv", fix="Add it.")
    assert str(error) == "ham.csv: column 'image_id' is missing. Add it."


def test_a_message_without_place_or_remedy_is_just_the_problem():
    assert str(CutisError("the disk is full")) == "the disk is full"


def test_an_error_keeps_its_words_on_the_way_from_another_process():
    error = pickle.loads(pickle.dumps(ManifestError("two sides", where="m.csv", fix="Split again.")))
    assert isinstance(error, ManifestError)
    assert str(error) == "m.csv: two sides. Split again."


def test_a_long_list_shows_the_first_ten_and_counts_the_rest():
    assert listed([str(n) for n in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed(["a", "b"]) == "a, b"
