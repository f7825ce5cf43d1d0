"""Similar cases on real dermoscopy: far better than chance, and never the query's own lesion."""

import numpy as np
import polars as pl

from cutis.data import read_ids, source
from cutis.explanation import case_library
from cutis.models import fastest_bundle


def test_the_nearest_of_ham10000s_test_images_share_the_diagnosis(real_data):
    ham = source("ham10000").import_from(real_data / "ham10000").frame
    test = read_ids(real_data / "ham10000" / "splits" / "published_test_1503.csv")
    rows = ham.filter(pl.col("image_id").is_in(sorted(test)))
    # Twelve of each of the seven diagnoses: by chance one neighbour in seven shares it.
    rows = rows.sort("image_id").group_by("source_diagnosis", maintain_order=True).head(12)
    library = case_library(fastest_bundle(), rows)
    found = library.nearest(library, 5)
    named, lesion = library.cases["named_diagnosis"].to_numpy(), library.cases["lesion_id"].to_numpy()
    assert (found.row >= 0).all()
    assert not (lesion[found.row] == lesion[:, None]).any()
    assert (named[found.row] == named[:, None]).mean() > 0.35
    assert np.all(np.diff(found.similarity, axis=1) <= 0)
