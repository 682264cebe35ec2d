"""The hat experiment: the stored figures say what is claimed of them, and are those of the weights that ship."""

import hashlib
import json

import pytest

from demos.hat_experiment import RESULTS, SHIPPED, judged
from diffx.nn import weights


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
    ranks = ("rank of hat", "rank of hat, centred", "headwear words first", "other headwear in hat's six")
    assert all(criteria[name]["pass"] for name in ranks)


def test_the_stored_figures_are_those_of_the_file_that_ships(stored):
    shipped = weights.shipped().read_bytes()
    assert stored["runs"][SHIPPED]["provenance"]["sha256"] == hashlib.sha256(shipped).hexdigest()
