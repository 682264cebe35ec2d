r"""The hat experiment as a statistic, with controls:

    python -m demos.chapters.hat_experiment FILE... --out demos/chapters/hat_results.json

Each FILE holds the weights of a dual encoder, made by `python -m diffx.nn.recipe`; its provenance
says which seed and which control it is.  All are judged by the same held-out pairs: bearded men
with and without headwear, which no training showed.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from diffx.concepts import concept_direction, rank_words
from diffx.contrast import normalise
from diffx.data.world import (
    HEADWEAR_WORDS,
    VOCABULARY,
    Scene,
    render,
    with_headwear,
    without_headwear,
)
from diffx.nn import dual_encoder, load_provenance, recipe, report

RESULTS = Path(__file__).with_name("hat_results.json")
PAIRS = 256
# keys of the held-out scenes, and of those that random pairs take for partners
SCENES, OTHERS = (
    1_000_003,
    1_000_033,
)
RESAMPLES = 1_000
CHANCE = 1 / (len(VOCABULARY) - 1)
SHIPPED = "seed 0"
Facts = dict[str, Any]


def wilson(share: float, n: int) -> list[float]:
    """The 95% interval of a share of n, by Wilson's score (1927)."""
    z = 1.959964
    middle, half = (
        share + z * z / (2 * n),
        z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)),
    )
    return [round(float((middle + sign * half) / (1 + z * z / n)), 4) for sign in (-1, 1)]


def rounded(cosines: Mapping[str, float]) -> dict[str, float]:
    return {word: round(cosine, 4) for word, cosine in cosines.items()}


def lists(direction: Array, words: Array) -> Facts:
    """The first ten words of a direction, by raw and by centred text vectors."""
    return {
        "first ten": rounded(report.first_words(direction, words, 10)),
        "first ten centred": rounded(report.first_words(direction, words, 10, centre=True)),
    }


def others(first: Mapping[str, float], own: str) -> int:
    """How many other headwear words are among the first six."""
    return sum(word in HEADWEAR_WORDS and word != own for word in list(first)[:6])


def places(direction: Array, words: Array) -> Facts:
    """Where each headwear word stands among all words, raw and centred."""
    place = {
        word: [
            int(report.ranks(direction, words, report.row_of(word), centre=c))
            for c in (False, True)
        ]
        for word in HEADWEAR_WORDS
    }
    return {"places of headwear, raw and centred": place}


def resampled(differences: Array, words: Array, own: int) -> Facts:
    """What the mean says if the pairs are drawn anew, with replacement: how sure are its rank and
    its cosine?
    """
    n = len(differences)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float32)
    ranking = rank_words(drawn @ np.asarray(differences) / n, words)
    low, high = np.quantile(np.asarray(ranking.scores)[:, own], [0.025, 0.975])
    first = np.asarray(ranking.order)[:, 0] == own
    return {
        "resamples with it first": float(first.mean()),
        "cosine 95%": [round(float(low), 4), round(float(high), 4)],
    }


def of_word(word: str, worn: Array, bare: Array, words: Array) -> Facts:
    """One headwear word: the mean of the pairs, the pairs alone, and the pictures without
    subtraction.
    """
    n, own = len(worn), report.row_of(word)
    facts = report.one_hat(worn, bare, words, own)
    del facts["first six"]
    shares = [name for name in facts if name.startswith("top-")]
    facts |= {f"{name} 95%": wilson(facts[name], n) for name in shares}
    facts |= lists(concept_direction(worn, bare), words) | places(
        concept_direction(worn, bare), words
    )
    facts["other headwear in six"] = others(facts["first ten"], word)
    facts["other headwear in six centred"] = others(facts["first ten centred"], word)
    facts |= resampled(normalise(worn) - normalise(bare), words, own)
    alone = normalise(worn).mean(0)
    return facts | {
        "without subtraction": lists(alone, words)
        | {"rank": int(report.ranks(alone, words, own, centre=False))}
    }


def of_random_pairs(one: Array, other: Array, words: Array) -> Facts:
    """Two men who wear the same: nothing about a hat is in their difference."""
    own, differences = report.row_of("hat"), normalise(one) - normalise(other)
    # which of two is first is chance
    signs = np.random.default_rng(1).choice(np.float32([-1, 1]), (RESAMPLES, len(one)))
    cosines = np.asarray(rank_words(signs @ np.asarray(differences), words).scores)[:, own]
    first = float((report.ranks(differences, words, own, centre=False) == 1).mean())
    return lists(differences.mean(0), words) | {
        "rank": int(report.ranks(differences.mean(0), words, own, centre=False)),
        "top-1": first,
        "top-1 95%": wilson(first, len(one)),
        "cosine 95% over signs": [round(float(q), 4) for q in np.quantile(cosines, [0.025, 0.975])],
    }


def judge_of(path: Path | None, control: str) -> report.Judge:
    """The towers of a file (None: of the shipped one), who sees pictures as its training drew
    them.
    """
    return report.judge(dual_encoder(path), partial(render, drawings=recipe.drawings(control)))


def measured(by: report.Judge, scenes: Scene, partners: Scene) -> Facts:
    """All words, and random pairs of bare heads and of hats."""
    bare, bare_partners = by.see(without_headwear(scenes)), by.see(without_headwear(partners))
    worn = {word: by.see(with_headwear(scenes, word)) for word in HEADWEAR_WORDS}
    hats = by.see(with_headwear(partners, "hat"))
    pairs = {"bare heads": (bare, bare_partners), "hats": (worn["hat"], hats)}
    return {
        "words": {word: of_word(word, seen, bare, by.words) for word, seen in worn.items()},
        "random pairs": {name: of_random_pairs(*pair, by.words) for name, pair in pairs.items()},
    }


def run(path: Path) -> tuple[str, Facts]:
    """The name of a file's run, and what was measured."""
    made = load_provenance(path)
    chosen = recipe.arguments(made["command"].split()[3:])
    name = f"seed {chosen.seed}" if chosen.control == "none" else chosen.control
    kept = {
        key: made[key]
        for key in ("command", "date", "versions", "device", "steps", "seconds", "loss")
    }
    kept["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    scenes = [report.draw_held_out(jax.random.key(seed), PAIRS) for seed in (SCENES, OTHERS)]
    return name, {"provenance": kept} | measured(judge_of(path, chosen.control), *scenes)


def criterion(value: float, wanted: str, passed: bool) -> Facts:
    return {"value": value, "wanted": wanted, "pass": bool(passed)}


def of_seed(facts: Facts) -> dict[str, Facts]:
    """What is asked of a network that was trained on true pairs."""
    words, hat, pairs = facts["words"], facts["words"]["hat"], facts["random pairs"]
    firsts, first_centred = (
        sum(words[word][rank] == 1 for word in HEADWEAR_WORDS) for rank in ("rank", "rank centred")
    )
    by_chance = max(pair["top-1 95%"][0] for pair in pairs.values())
    gain = hat["top-1"] - hat["top-1 without subtraction"]
    return {
        "rank of hat": criterion(hat["rank"], "1", hat["rank"] == 1),
        "rank of hat, centred": criterion(hat["rank centred"], "1", hat["rank centred"] == 1),
        # three quarters of nine are 6.75
        "headwear words first": criterion(firsts, "at least 7 of 9", firsts >= 7),
        "headwear words first, centred": criterion(
            first_centred, "at least 7 of 9", first_centred >= 7
        ),
        "other headwear in hat's six": criterion(
            hat["other headwear in six"], "at least 3", hat["other headwear in six"] >= 3
        ),
        "single pairs, hat top-1": criterion(hat["top-1"], "at least 0.80", hat["top-1"] >= 0.80),
        "single pairs, hat top-5": criterion(hat["top-5"], "at least 0.99", hat["top-5"] >= 0.99),
        "random pairs, hat top-1, lower end": criterion(
            by_chance, f"at most chance, {CHANCE:.4f}", by_chance <= CHANCE
        ),
        "gain of subtraction, hat top-1": criterion(gain, "above 0", gain > 0),
    }


def of_corner(facts: Facts) -> dict[str, Facts]:
    """Where the cap is drawn in a corner it must leave hat's list."""
    hat, cap = facts["words"]["hat"], facts["words"]["cap"]
    place = min(hat["places of headwear, raw and centred"]["cap"])
    kin = cap["other headwear in six"]
    return {
        "rank of hat": criterion(hat["rank"], "1", hat["rank"] == 1),
        "place of cap in hat's list": criterion(place, "after the first ten", place > 10),
        "other headwear in cap's six": criterion(kin, "0", kin == 0),
    }


def of_shuffled(facts: Facts) -> dict[str, Facts]:
    """Nothing can be learnt where captions belong to other pictures."""
    words = facts["words"]
    firsts, low = (
        sum(words[word]["rank"] == 1 for word in HEADWEAR_WORDS),
        words["hat"]["top-1 95%"][0],
    )
    return {
        "headwear words first": criterion(firsts, "0", firsts == 0),
        "single pairs, hat top-1, lower end": criterion(
            low, f"at most chance, {CHANCE:.4f}", low <= CHANCE
        ),
    }


def judged(runs: Mapping[str, Facts]) -> dict[str, dict[str, Facts]]:
    """Every criterion of every run."""
    kinds = {"corner": of_corner, "shuffled": of_shuffled}
    return {name: kinds.get(name, of_seed)(facts) for name, facts in runs.items()}


def written(value: Any, depth: int = 0, open_to: int = 4) -> str:
    """JSON with one line for each entry at the depth `open_to`, so that a change of one word is a
    change of one line.
    """
    if depth == open_to or not isinstance(value, dict):
        return json.dumps(value)
    pad = " " * (depth + 1)
    entries = [
        f"{pad}{json.dumps(key)}: {written(entry, depth + 1, open_to)}"
        for key, entry in value.items()
    ]
    return "{\n" + ",\n".join(entries) + "\n" + " " * depth + "}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m demos.chapters.hat_experiment",
        description="the hat experiment with controls",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, help="weights made by python -m diffx.nn.recipe"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    runs = dict(map(run, chosen.files))
    about = {
        "pairs": PAIRS,
        "ranked among": f"the full vocabulary, {len(VOCABULARY) - 1} words, function words too",
        "measured on": jax.devices()[0].device_kind,
        "versions": {"jax": jax.__version__},
        "intervals": (
            f"95%: Wilson's for shares; quantiles over {RESAMPLES} resamples of the pairs "
            "for cosines"
        ),
    }
    verdict = judged(runs)
    chosen.out.write_text(written({"about": about, "criteria": verdict, "runs": runs}) + "\n")
    for name, criteria in verdict.items():
        for what, found in criteria.items():
            print(
                f"{name}: {what}: {found['value']:.4g} (wanted {found['wanted']}): "
                f"{'pass' if found['pass'] else 'FAIL'}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
