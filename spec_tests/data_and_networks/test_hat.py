"""The hat experiment: the stored figures say what is claimed of them, and are those of the weights
that ship.
"""

import hashlib
import json

import jax
import pytest

from demos.chapters.hat_experiment import (
    RESULTS,
    SCENES,
    SHIPPED,
    judge_of,
    judged,
    of_word,
    wilson,
)
from diffx.data.world import with_headwear, without_headwear
from diffx.nn import report, weights


@pytest.fixture(scope="module")
def stored():
    return json.loads(RESULTS.read_text())


def test_stored_verdicts_follow_from_the_stored_figures(stored):
    assert judged(stored["runs"]) == stored["criteria"]


def test_the_shipped_weights_and_both_controls_meet_every_criterion(stored):
    for name in (SHIPPED, "corner", "shuffled"):
        assert all(entry["pass"] for entry in stored["criteria"][name].values()), name


@pytest.mark.parametrize("seed", ["seed 0", "seed 1", "seed 2"])
def test_every_seed_ranks_hat_first_and_most_headwear_words_too(stored, seed):
    criteria = stored["criteria"][seed]
    ranks = (
        "rank of hat",
        "rank of hat, centred",
        "headwear words first",
        "other headwear in hat's six",
    )
    assert all(criteria[name]["pass"] for name in ranks)


def test_the_stored_figures_are_those_of_the_file_that_ships(stored):
    shipped = weights.shipped_path().read_bytes()
    assert stored["runs"][SHIPPED]["provenance"]["sha256"] == hashlib.sha256(shipped).hexdigest()


@pytest.mark.parametrize(
    ("share", "n", "low", "high"), [(0.0, 256, 0.0, 0.0148), (0.5, 10, 0.2366, 0.7634)]
)
def test_intervals_of_shares_are_wilsons(share, n, low, high):
    assert wilson(share, n) == pytest.approx([low, high], abs=1e-4)


@pytest.mark.slow  # 20 s, of which most is compilation
def test_the_weights_give_the_stored_figures_again(stored):
    kept, by, scenes = (
        stored["runs"][SHIPPED]["words"]["hat"],
        judge_of(None, "none"),
        report.draw_held_out(jax.random.key(SCENES), 64),
    )
    again = of_word(
        "hat", by.see(with_headwear(scenes, "hat")), by.see(without_headwear(scenes)), by.words
    )
    assert again["rank"] == again["rank centred"] == 1
    for name in ("top-1", "top-5", "top-1 centred", "top-1 without subtraction"):
        (low, high), (kept_low, kept_high) = again[f"{name} 95%"], kept[f"{name} 95%"]
        assert low <= kept_high and kept_low <= high, name
    (low, high), (kept_low, kept_high) = again["cosine 95%"], kept["cosine 95%"]
    assert low <= kept_high and kept_low <= high, "the cosine"
