"""The convention table: every translation agrees with what the others compute, and leaving it out
does not.
"""

import numpy as np
import pytest

from demos.site.conventions import check, page
from demos.site.translations import ROWS, Result, Row
from spec_tests.instrument.certificate import has_float64

TABLE = {row.about: row for row in ROWS}


# What a reader of other papers trips over; each must be a row.
ASKED = (
    *(
        "direction of time",
        "index of a chain",
        "sigma as time",
        "points or steps",
        "shift or mu",
        "log-SNR or half of it",
    ),
    *(
        "beta or b",
        "terminal signal",
        "sign of the velocity",
        "sign of the v-prediction",
        "eta of DDIM",
        "churn",
    ),
    *("eta of the reverse family", "w or 1 + w", "negative prompt"),
)


@pytest.fixture(autouse=True)
def in_float64():
    if not has_float64():
        pytest.skip("this device has no float64")


def made_up(theirs, here, forgotten) -> Row:
    return Row("a row", "theirs", "ours", "how", lambda: Result(theirs, here, forgotten))


@pytest.mark.parametrize("about", TABLE)
def test_every_translation_agrees_and_is_needed(about):
    check(TABLE[about])


def test_what_readers_ask_for_is_in_the_table():
    assert set(ASKED) <= set(TABLE)
    assert sum(about.startswith("sigma_min") for about in TABLE) == 5, "sigma_min has five meanings"
    assert len(TABLE) == len(ROWS), "no row hides another of its name"


def test_a_wrong_translation_is_refused():
    for row in ROWS:
        theirs, _, forgotten = row.run()
        with pytest.raises(ValueError, match="the translation gives"):
            check(
                row._replace(
                    run=lambda theirs=theirs, wrong=forgotten: Result(theirs, wrong, wrong)
                )
            )


@pytest.mark.parametrize("wrong", [1 + 1e-12, np.nan, np.ones(2)])
def test_small_errors_nan_and_other_shapes_are_refused(wrong):
    with pytest.raises(
        ValueError, match=r"convention 'a row': they compute 1\.0, the translation gives"
    ):
        check(made_up(1.0, wrong, 2.0))


@pytest.mark.parametrize("forgotten", [1.0, 1.0001, np.nan])
def test_a_translation_that_changes_nothing_is_refused(forgotten):
    with pytest.raises(ValueError, match="which is as good"):
        check(made_up(1.0, 1.0, forgotten))


def test_the_page_shows_every_row_with_its_code():
    text = page()
    assert all(f"def {row.run.__name__}():" in text for row in ROWS)
    assert text.count("<details>") == len(ROWS)
