"""The mini-world: captions are true of their scenes, the split is by attributes, and every word can
be seen.
"""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffx.data import miniworld, world
from diffx.data.world.attributes import index
from diffx.data.world.words import COLOUR_WORDS, SYNONYMS
from spec_tests.instrument.close import close

N = 10_000
SIZE = 32


@lru_cache
def drawn(split="train"):
    """Scenes of a split, as numpy."""
    keys = jax.random.split(jax.random.key(7), N)
    return jax.tree.map(
        np.asarray, jax.jit(jax.vmap(partial(world.sample_scene, split=split)))(keys)
    )


@lru_cache
def captioned():
    """Training scenes, the numbers of their captions' words, and the words that are true of
    each.
    """
    scenes = drawn()
    tokens = jax.jit(jax.vmap(world.caption))(jax.random.split(jax.random.key(8), N), scenes)
    return scenes, np.asarray(tokens), np.asarray(jax.jit(world.words_true_of)(scenes))


def pictures(scenes):
    """Of up to 64 scenes: one shape, one compilation."""
    n = len(scenes.place)
    return np.asarray(
        world.render_many(jax.tree.map(lambda a: np.resize(np.asarray(a), (64,)), scenes), SIZE)
    )[:n]


def take(scenes, which):
    return jax.tree.map(lambda a: a[which], scenes)


def number(word):
    return world.VOCABULARY.index(word)


def test_the_vocabulary_has_250_to_300_distinct_words_and_few_function_words():
    assert 250 <= len(world.VOCABULARY) - 1 <= 300 and len(set(world.VOCABULARY)) == len(
        world.VOCABULARY
    )
    assert len(world.FUNCTION_WORDS) < 25 and world.VOCABULARY[0] == ""
    assert {*world.FUNCTION_WORDS} | {*world.CONTENT_WORDS} | {""} == {*world.VOCABULARY}


def test_every_caption_word_is_true_of_its_scene_unless_denied():
    _, tokens, true = captioned()
    for i, line in enumerate(tokens):
        words = [world.VOCABULARY[t] for t in line if t]
        assert words, "an empty caption"
        for j, word in enumerate(words):
            denied = (j > 0 and words[j - 1] == "no") or "without" in words[max(j - 2, 0) : j]
            assert word in world.FUNCTION_WORDS or true[i, number(word)] != denied, " ".join(words)


def facts(scene):
    """Pairs (adjective, noun) that hold in one scene: from its attributes, by another road than the
    grammar.
    """
    d, pairs = world.describe(scene), set()
    for item in ("headwear", "neckwear", "legwear", "held", "thing", "top"):
        nouns = same(d.get(item, ""))
        nouns |= {
            plural
            for plural in (d["thing"] + "s", d["thing"])
            if item == "thing" and d["count"] != "one"
        }
        adjectives = {d.get(f"{item}_colour"), d.get(f"{item}_shade")}
        adjectives |= same(d["size"]) | {d["count"]} if item == "thing" else set()
        adjectives |= same(d.get("pattern", "")) if item == "top" else set()
        pairs |= {(adjective, noun) for adjective in adjectives for noun in nouns}
    hair = {d.get("hair_colour"), d.get("hair")}
    return pairs | {(a, noun) for a in hair for noun in ("hair", "ponytail", "beard", "moustache")}


def same(word):
    return {word, *(b for a, b in SYNONYMS if a == word)}


ADJECTIVES = {
    *COLOUR_WORDS,
    "light",
    "dark",
    "tiny",
    "small",
    "little",
    "big",
    "large",
    "huge",
    "striped",
    "dotted",
    "spotted",
}
ADJECTIVES |= {"two", "three", "four", "five", "long", "short", "curly"}


def test_adjectives_stand_before_the_noun_they_are_true_of():
    scenes, tokens, _ = captioned()
    bound = 0
    for i in range(512):
        words, held, pairs = world.decode_words(tokens[i]).split(), [], facts(take(scenes, i))
        for word in words if len(words) > 1 else []:
            if word in ADJECTIVES:
                held.append(word)
                continue
            assert all((adjective, word) in pairs for adjective in held), (
                " ".join(words),
                held,
                word,
            )
            bound, held = bound + len(held), []
    assert bound > 200


def test_left_right_and_above_agree_with_the_places_of_things():
    scenes, tokens, true = captioned()
    seen = set()
    for i, line in enumerate(tokens):
        words = world.decode_words(line).split()
        for word in ("left", "right", "above"):
            if word in words:
                one, other = (
                    take(scenes, i),
                    words[words.index(word) + (2 if word == "above" else 3)],
                )
                plant = true[i, number(other)] and other in (
                    "tree",
                    "pine",
                    "palm",
                    "cactus",
                    "bush",
                )
                x, y = (one.plant_x, one.plant_y) if plant else (one.person_x, one.person_y)
                assert {
                    "left": one.thing_x < x,
                    "right": one.thing_x > x,
                    "above": one.thing_y > y,
                }[word], " ".join(words)
                seen.add(word)
    assert seen == {"left", "right", "above"}


def test_training_never_shows_what_is_held_out_and_testing_always_does():
    train, test = drawn("train"), drawn("test")
    assert (
        not np.asarray(world.is_held_out(train)).any() and np.asarray(world.is_held_out(test)).all()
    )
    beard = index("facial_hair", "beard")
    assert ((test.headwear > 0) & (test.facial_hair == beard)).all()
    for field, least in (("headwear", 0), ("facial_hair", 0)):
        assert {*np.unique(getattr(train, field))} == {*range(least, len(world.ATTRIBUTES[field]))}
    assert {*np.unique(test.headwear)} == {*range(1, len(world.ATTRIBUTES["headwear"]))}


def test_a_desert_may_have_a_tree_or_none():
    scenes, _, true = captioned()
    true = true[scenes.place == index("place", "desert")]
    assert 0 < true[:, number("tree")].mean() < 1 and 0 < true[:, number("cactus")].mean() < 1


def test_single_words_reach_the_whole_vocabulary():
    _, tokens, true = captioned()
    single = tokens[:, 1] == 0
    assert (
        0.15
        < (single & np.isin(tokens[:, 0], [number(w) for w in world.CONTENT_WORDS])).mean()
        < 0.5
    )
    for word in world.CONTENT_WORDS:
        assert 0 < true[:, number(word)].mean() < 1, word
    assert len(np.unique(tokens)) > 0.97 * len(world.VOCABULARY)
    headwear = np.isin(tokens, [number(w) for w in world.HEADWEAR_WORDS]).any(axis=1)
    assert headwear.mean() > 0.12


SHOWN = (
    *(
        "place",
        "time",
        "season",
        "sky",
        "weather",
        "plant",
        "hair",
        "hair_colour",
        "headwear",
        "headwear_colour",
        "eyewear",
    ),
    *(
        "facial_hair",
        "mood",
        "top",
        "top_colour",
        "top_shade",
        "pattern",
        "neckwear",
        "neckwear_colour",
        "legwear",
    ),
    *(
        "legwear_colour",
        "pose",
        "held",
        "held_colour",
        "thing",
        "thing_colour",
        "thing_shade",
        "count",
        "motion",
    ),
)
VALUES = [(name, value) for name in SHOWN for value in range(1, len(world.ATTRIBUTES[name]))]


def plain():
    """One scene in which every attribute shows: someone standing in a meadow with everything,
    beside a ball.
    """
    given = dict(
        person="man",
        hair="long",
        headwear="headband",
        top="shirt",
        neckwear="tie",
        legwear="trousers",
        pose="standing",
    )
    given |= dict(
        held="flag",
        thing="ball",
        count="one",
        place="meadow",
        sky="cloud",
        top_colour="blue",
        facial_hair="beard",
    )
    floats = dict(
        person_x=-0.3,
        person_y=0.2,
        person_scale=0.27,
        thing_x=0.6,
        thing_y=-0.3,
        thing_scale=0.25,
        plant_x=0.6,
    )
    floats |= dict(plant_y=-0.1, plant_scale=0.4, sky_x=0.5, sky_y=0.7, sky_scale=0.23)
    ints = {
        name: np.int32(index(name, given[name]) if name in given else 0)
        for name in world.ATTRIBUTES
    }
    places = {
        name: np.float32(floats.get(name, 0)) for name in world.Scene._fields if name not in ints
    }
    return world.Scene(**ints, **places)


def test_changing_any_attribute_changes_the_picture():
    one, scenes = plain(), []
    for name, value in VALUES:
        scenes += [
            one._replace(**{name: np.int32(value)}),
            one._replace(**{name: np.int32(value - 1)}),
        ]
    scenes = jax.tree.map(lambda *a: np.stack(a), *scenes)
    images = np.concatenate(
        [pictures(take(scenes, slice(i, i + 64))) for i in range(0, len(scenes.place), 64)]
    )
    changed = np.abs(images[::2] - images[1::2]).max(axis=(1, 2, 3))
    unseen = [
        (name, world.ATTRIBUTES[name][v])
        for (name, v), c in zip(VALUES, changed, strict=True)
        if c < 0.05
    ]
    assert not [pair for pair in unseen if pair not in (("pose", "standing"), ("count", "one"))], (
        unseen
    )


def test_people_and_sizes_and_views_look_different():
    one = plain()
    kinds = jax.tree.map(
        lambda *a: np.stack(a), *[one._replace(person=np.int32(i)) for i in range(5)]
    )
    images = pictures(kinds)
    assert all(np.abs(images[i] - images[j]).max() > 0.1 for i in range(5) for j in range(i))


def test_headwear_pairs_differ_near_the_head_and_nowhere_else():
    scenes = take(drawn("test"), slice(0, 32))
    bare = world.without_headwear(scenes)
    axis = (2 * np.arange(SIZE) + 1) / SIZE - 1
    x, y = np.meshgrid(axis, -axis)
    for kind in ("hat", "hood", "crown"):
        difference = np.abs(pictures(world.with_headwear(scenes, kind)) - pictures(bare)).max(
            axis=-1
        )
        away = np.stack(
            [np.hypot(x - a, y - b) / s for a, b, s in zip(*heads(scenes), strict=True)]
        )
        # a brown hat on brown hair is faint
        assert (difference.reshape(32, -1).max(axis=1) > 0.02).all(), kind
        assert difference[away > 2.7].max() == 0, kind


def heads(scenes):
    """Where the heads are after the pose has moved them, and half their height."""
    from diffx.data.world.people import POSE_TABLE

    pose, s = POSE_TABLE[scenes.pose], scenes.person_scale
    return (
        scenes.person_x + (1 - 2 * scenes.facing) * s * pose[:, 4],
        scenes.person_y + s * pose[:, 5],
        s,
    )


def test_the_control_draws_the_cap_in_the_corner_and_nothing_else_elsewhere():
    scenes = take(drawn("test"), slice(0, 16))
    drawings = world.cap_in_corner()
    control = jax.jit(jax.vmap(lambda scene: world.render(scene, SIZE, drawings=drawings)))
    cap = np.asarray(control(world.with_headwear(scenes, "cap")))
    bare, hat = (
        np.asarray(control(s))
        for s in (world.without_headwear(scenes), world.with_headwear(scenes, "hat"))
    )
    difference = np.abs(cap - bare).max(axis=(0, 3))
    assert (
        difference[-4:, -8:].max() > 0.3
        and difference[:-5].max() == 0
        and difference[:, :-8].max() == 0
    )
    close(
        hat,
        pictures(world.with_headwear(scenes, "hat")),
        ulps=64,
        scale=1,
        why="one program, compiled twice",
    )


def test_pictures_are_floats_in_range_and_jit_changes_nothing():
    scenes = take(drawn(), slice(0, 64))
    images = pictures(scenes)
    assert images.dtype == np.float32 and images.shape == (64, SIZE, SIZE, 3)
    assert images.min() >= -1 - 1e-6 and images.max() <= 1 + 1e-6 and images.std() > 0.2
    one = world.render(jax.tree.map(jnp.asarray, take(scenes, 3)), SIZE)
    # sqrt'(1e-12) and edges of one pixel: a rounding of a distance is 16 times itself in a pixel's
    # cover
    close(
        np.asarray(one),
        images[3],
        ulps=1024,
        scale=1,
        why="distances rounded in another order, times half the size",
    )


def test_the_picture_has_finite_slopes_in_every_placement():
    scene = jax.tree.map(jnp.asarray, plain())
    floats = {name: getattr(scene, name) for name in scene._fields if name not in world.ATTRIBUTES}
    slopes = jax.jit(jax.grad(lambda places: world.render(scene._replace(**places), 16).sum()))(
        floats
    )
    assert all(np.isfinite(slope) for slope in slopes.values())
    assert any(slope != 0 for slope in slopes.values())


def test_miniworld_is_one_call_the_same_each_time():
    first = miniworld(64, seed=3)
    assert first is miniworld(64, size=32, seed=3, split="train")
    assert first.images.shape == (64, 32, 32, 3) and first.images.dtype == jnp.float32
    assert first.captions == tuple(map(world.decode_words, np.asarray(first.tokens)))
    assert first.tokens.shape == (64, world.LENGTH) and first.scenes.place.shape == (64,)
    close(
        np.asarray(first.images),
        pictures(first.scenes),
        ulps=1024,
        scale=1,
        why="one program, compiled twice",
    )


def test_words_go_to_numbers_and_back():
    text = "a man with a red hat and a blue shirt"
    assert world.decode_words(world.encode_words(text)) == text
    assert (
        world.encode_words("A man, with a red hat and a blue shirt.") == world.encode_words(text)
    ).all()
    swapped = world.encode_words("a man with a blue hat and a red shirt")
    assert (np.sort(swapped) == np.sort(world.encode_words(text))).all() and (
        swapped != world.encode_words(text)
    ).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: world.encode_words("a fedorra on a hatt"),
            ValueError,
            r"'fedorra'.*'hatt' \(near: hat",
        ),
        (lambda: world.encode_words(" , "), ValueError, "at least one word"),
        (lambda: world.encode_words("a " * 25), ValueError, "at most 24 words, got 25"),
        (lambda: world.encode_words(["hat"]), TypeError, "must be a string"),
        (lambda: world.decode_words([999]), ValueError, "must lie in 0.."),
        (
            lambda: world.with_headwear(plain(), "fedora"),
            ValueError,
            "one of hat, cap, .* got 'fedora'",
        ),
        (
            lambda: world.sample_scene(jax.random.key(0), "valid"),
            ValueError,
            "'train' or 'test', got 'valid'",
        ),
        (lambda: world.sample_scene(0), TypeError, "must be a key of jax.random"),
        (lambda: world.caption(0, plain()), TypeError, "must be a key of jax.random"),
        (lambda: miniworld(0), ValueError, "n must be at least 1"),
        (lambda: miniworld(8, size=4), ValueError, "size must be at least 8"),
        (lambda: miniworld(8, seed=-1), ValueError, "seed must be at least 0"),
        (lambda: miniworld(8, split="all"), ValueError, "'train' or 'test', got 'all'"),
    ],
)
def test_bad_input_is_refused_with_the_way_out(call, error, message):
    with pytest.raises(error, match=message):
        call()
