r"""A caption grammar: phrases are arrays of word numbers in which 0 is a word left out; a caption closes the gaps."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx import _check
from diffx.data.world.attributes import ATTRIBUTES, COUNTABLE, index
from diffx.data.world.sample import pick
from diffx.data.world.scene import Scene
from diffx.data.world.truth import outdoors, relation, words_true_of
from diffx.data.world.words import CONTENT_WORDS, HEADWEAR_WORDS, LENGTH, NUMBER, PLURALS, SYNONYMS, VOCABULARY

# How often each kind of caption is drawn, where the scene allows it.
TEMPLATES = {"word": 0.17, "item": 0.23, "person": 0.3, "thing": 0.15, "scene": 0.09, "both": 0.06}
HEADWEAR_WEIGHT = 6.0  # of a headwear word among the single words that are true of a scene
RARE_WEIGHT = 4.0  # of words that few scenes make true: motions, plurals, counts
ITEMS = {"headwear": 5.0, "facial_hair": 2.0, "eyewear": 1.5, "top": 2.0, "neckwear": 1.0, "hair": 1.0, "legwear": 0.7}
A, AN, WITH, WITHOUT, IN, ON, AT, BY, OF, AND, NO, THE, WEARING = (
    NUMBER[word] for word in ("a", "an", "with", "without", "in", "on", "at", "by", "of", "and", "no", "the", "wearing")
)
VOWEL = np.asarray([word[:1] in tuple("aeiou") for word in VOCABULARY])
RARE = {
    *ATTRIBUTES["motion"],
    *ATTRIBUTES["pose"],
    *PLURALS,
    *ATTRIBUTES["count"][2:],
    "pair",
    "several",
    "many",
    "fruit",
    "middle",
}
WORD_WEIGHTS = np.asarray(
    [HEADWEAR_WEIGHT if w in HEADWEAR_WORDS else RARE_WEIGHT if w in RARE else float(w in CONTENT_WORDS) for w in VOCABULARY],
    np.float32,
)
WORD_WEIGHTS[0] = 0
OTHER_WORD = np.arange(len(VOCABULARY))
for _word, _other in SYNONYMS:
    OTHER_WORD[NUMBER[_word]] = NUMBER[_other]
NO_SWAP = ("pair", "raining", "snowing", "foggy", "storm")  # of another kind than their first: only as single words
for _word, _other in SYNONYMS:
    if _other in NO_SWAP:
        OTHER_WORD[NUMBER[_word]] = NUMBER[_word]
PREPOSITION = {"wall": AT, "beach": AT, "sea": IN, "farm": ON, "mountain": ON, "lake": AT}
PLACE_ARTICLE = np.asarray([{"space": 0, "sea": THE, "arctic": THE}.get(place, A) for place in ATTRIBUTES["place"]])
NAMES = {name: np.asarray([NUMBER.get(value, 0) for value in values]) for name, values in ATTRIBUTES.items()}
PLURAL = np.asarray([NUMBER[COUNTABLE.get(name, "")] for name in ATTRIBUTES["thing"]])
WITH_HAIR, WITH_FACIAL_HAIR = (list(ITEMS).index(name) for name in ("hair", "facial_hair"))
NO_ARTICLE = ("glasses", "sunglasses", "trousers", "shorts")


class _Draw:
    """Uniform numbers by turns, so that every choice of a caption has its own."""

    def __init__(self, u: Array):
        self.u, self.next = u, 0

    def __call__(self, chance: float, value: Array, otherwise: Array | int = 0) -> Array:
        """value with this chance, else the other."""
        self.next += 1
        return jnp.where(self.u[self.next - 1] < chance, value, otherwise)

    def number(self) -> Array:
        self.next += 1
        return self.u[self.next - 1]


def _name(scene: Scene, attribute: str, draw: _Draw) -> Array:
    """The word for the attribute's value, or one time in three its synonym."""
    word = jnp.asarray(NAMES[attribute])[getattr(scene, attribute)]
    return draw(1 / 3, jnp.asarray(OTHER_WORD)[word], word)


def _article(word: Array) -> Array:
    bare = jnp.isin(word, jnp.asarray([NUMBER[w] for w in NO_ARTICLE]))
    return jnp.where(bare | (word == 0), 0, A)


def _if(condition: Array, *words: Array | int) -> list[Array]:
    return [jnp.where(condition, word, 0) for word in words]


def _colour(scene: Scene, item: str, draw: _Draw, chance: float = 0.65) -> list[Array]:
    """Of shade and colour none, the colour, or both."""
    colour = draw(chance, jnp.asarray(NAMES[f"{item}_colour"])[getattr(scene, f"{item}_colour")])
    shade = jnp.asarray(NAMES[f"{item}_shade"])[getattr(scene, f"{item}_shade")] if f"{item}_shade" in NAMES else 0
    return [jnp.where(colour > 0, shade, 0), colour]


def _items(scene: Scene, draw: _Draw) -> tuple[Array, Array]:
    """Phrases of what the person wears, each of six words at most, and how much each is worth mentioning (0: absent)."""
    hair_colour = jnp.asarray(NAMES["hair_colour"])[scene.hair_colour]
    phrases, there = [], []
    for item in ITEMS:
        word = _name(scene, item, draw)
        if item == "hair":
            style, tail = word, scene.hair == index("hair", "ponytail")
            words = [jnp.where(tail, A, draw(0.7, style)), draw(0.6, hair_colour), jnp.where(tail, style, NUMBER["hair"])]
            there.append((scene.person > 0) & (scene.hair != index("hair", "bald")))
        else:
            colour = {"facial_hair": [draw(0.3, hair_colour)], "eyewear": []}
            own = colour[item] if item in colour else _colour(scene, item, draw)
            pattern = [draw(0.6, jnp.asarray(NAMES["pattern"])[scene.pattern])] if item == "top" else []
            words = [_article(word), *own, *pattern, word]
            there.append((getattr(scene, item) > 0) & (scene.person > 0))
        phrases.append(jnp.stack([*(jnp.asarray(w) for w in words), *[jnp.asarray(0)] * (6 - len(words))]))
    return jnp.stack(phrases), jnp.stack(there) * jnp.asarray([*ITEMS.values()], jnp.float32)


def _person_noun(scene: Scene, draw: _Draw) -> list[Array]:
    bald = jnp.where(scene.hair == index("hair", "bald"), NUMBER["bald"], 0)
    bearded = jnp.where(scene.facial_hair == index("facial_hair", "beard"), NUMBER["bearded"], 0)
    mood = jnp.where(scene.mood > 0, _name(scene, "mood", draw), 0)
    adjective = draw(0.5, jnp.where(bald > 0, bald, jnp.where(mood > 0, mood, bearded)))
    return _if(scene.person > 0, A, draw(0.5, adjective), _name(scene, "person", draw))


def _place(scene: Scene, draw: _Draw, chance: float) -> list[Array]:
    prepositions = np.asarray([PREPOSITION.get(place, IN) for place in ATTRIBUTES["place"]])
    article = jnp.asarray(PLACE_ARTICLE)[scene.place]
    said = draw.number() < chance
    return _if(said, jnp.asarray(prepositions)[scene.place], article, _name(scene, "place", draw))


def _thing_noun(scene: Scene, draw: _Draw) -> list[Array]:
    word, several = _name(scene, "thing", draw), scene.count > 1
    number = jnp.where(several, jnp.asarray(NAMES["count"])[scene.count], draw(0.9, A, NUMBER["one"]))
    noun = jnp.where(several, jnp.asarray(PLURAL)[scene.thing], word)
    size = draw(0.5, _name(scene, "size", draw))
    return _if(scene.thing > 0, number, size, *_colour(scene, "thing", draw), noun)


def _plant(scene: Scene, draw: _Draw) -> list[Array]:
    return _if(scene.plant > 0, A, _name(scene, "plant", draw))


def _held(scene: Scene, draw: _Draw) -> list[Array]:
    word = jnp.asarray(NAMES["held"])[scene.held]
    return _if(scene.held > 0, NUMBER["holding"], A, _colour(scene, "held", draw)[1], word)


def _word(scene: Scene, draw: _Draw) -> Array:
    return pick(draw.number(), words_true_of(scene) * jnp.asarray(WORD_WEIGHTS))


def _with_items(scene: Scene, draw: _Draw) -> tuple[list[Array], Array]:
    """with ... and ...: two different items, the second one dropped half of the time; and the first, alone."""
    phrases, weights = _items(scene, draw)
    first = pick(draw.number(), weights)
    rest = weights * (jnp.arange(weights.shape[0]) != first)
    second = pick(draw.number(), rest)
    two = (draw.number() < 0.5) & (rest.sum() > 0)
    some = weights.sum() > 0
    worn = (first != WITH_HAIR) & (first != WITH_FACIAL_HAIR) & ~two
    joint = jnp.where(worn & (draw.number() < 0.4), WEARING, WITH)
    return [*_if(some, joint), *_if(some, *phrases[first]), *_if(two, AND, *phrases[second])], phrases[first]


def _relation(scene: Scene, draw: _Draw) -> list[Array]:
    """left of a tree: where the thing lies from the plant, or from the person."""
    plant, person = scene.plant > 0, scene.person > 0
    to_plant = plant & (~person | (draw.number() < 0.5))
    whole = person & (scene.view == index("view", "whole"))
    x, y = jnp.where(to_plant, scene.plant_x, scene.person_x), jnp.where(to_plant, scene.plant_y, scene.person_y)
    word = relation(scene, x, y, other_there=to_plant | whole)
    noun = jnp.where(to_plant, _name(scene, "plant", draw), _name(scene, "person", draw))
    of = jnp.where((word == NUMBER["left"]) | (word == NUMBER["right"]), OF, 0)
    return _if((word > 0) & (draw.number() < 0.7), word, of, A, noun)


def _scenery(scene: Scene, draw: _Draw) -> list[Array]:
    """a desert with a cactus, at night; a desert with no tree."""
    either = draw(0.5, NUMBER["tree"], NUMBER["cactus"])
    other = NUMBER["tree"] + NUMBER["cactus"] - either
    true = words_true_of(scene)
    absent = jnp.where(true[either], other, either)
    plant = jnp.where(scene.plant > 0, draw(0.75, _plant(scene, draw)[1]), 0)
    said_plant = plant > 0
    negative, no = ~said_plant & ~true[absent] & (draw.number() < 0.5), draw.number() < 0.6
    season = draw(0.5, _name(scene, "season", draw))
    time = jnp.where(outdoors(scene), draw(0.5, _name(scene, "time", draw)), 0)
    weather = draw(0.6, jnp.asarray(NAMES["weather"])[scene.weather])
    sky = draw(0.5, jnp.asarray(NAMES["sky"])[scene.sky])
    lead = [jnp.asarray(PLACE_ARTICLE)[scene.place], _name(scene, "place", draw)]
    weather_article = jnp.where(scene.weather == index("weather", "rainbow"), A, 0)
    sky_article = jnp.where(sky == NUMBER["stars"], 0, jnp.where(sky == NUMBER["cloud"], A, THE))
    some = said_plant | negative
    return [
        *lead,
        *_if(season > 0, IN, season),
        *_if(some, jnp.where(said_plant | no, WITH, WITHOUT)),
        *_if(said_plant, A, plant),
        *_if(negative, jnp.where(no, NO, A), absent),
        *_if(weather > 0, jnp.where(some, AND, WITH), weather_article, weather),
        *_if(sky > 0, jnp.where(some | (weather > 0), AND, WITH), sky_article, sky),
        *_if((time > 0) & (season == 0), jnp.where(time == NUMBER["day"], BY, AT), time),
    ]


def _padded(words: list, width: int) -> Array:
    return jnp.stack([jnp.asarray(word, jnp.int32) for word in [*words, *[0] * (width - len(words))]])


def _closed(words: Array) -> Array:
    """Words without their gaps: (LENGTH,); a before a vowel is an."""
    kept = words > 0
    at = jnp.where(kept, jnp.cumsum(kept) - 1, LENGTH)
    line = jnp.zeros(LENGTH, jnp.int32).at[at].set(words, mode="drop")
    return jnp.where((line == A) & jnp.asarray(VOWEL)[jnp.roll(line, -1)], AN, line)


def caption(key: Array, scene: Scene) -> Array:
    """A caption of one scene, true of it: (LENGTH,) int32 numbers of words in VOCABULARY, padded by 0.

    One template in six of `TEMPLATES` is drawn: a single word, a noun phrase, a person, a thing, the scenery, or a person
    and a thing; each drops attributes at random.  `jax.vmap(caption)` over keys and scenes captions a batch.
    Raises TypeError unless key is a key of jax.random.
    """
    _check.key(key)
    draw = _Draw(jax.random.uniform(key, (96,), jnp.float32))
    items, item = _with_items(scene, draw)
    person, thing = _person_noun(scene, draw), _thing_noun(scene, draw)
    pose = draw(0.6, jnp.asarray(NAMES["pose"])[scene.pose])
    held = _if(draw.number() < 0.7, *_held(scene, draw))
    motion = draw(0.7, jnp.asarray(NAMES["motion"])[scene.motion])
    nobody, nothing = scene.person == 0, scene.thing == 0
    short = _if(~nobody, *item)
    alone = _if(nobody | (draw.number() < 0.25), *thing)
    said_thing = alone[-1] > 0
    plant = _if(nobody & nothing, *_plant(scene, draw))
    always = jnp.asarray(True)
    lines = [
        (always, [_word(scene, draw)]),
        (always, [*_if(~said_thing, *short), *alone, *plant]),
        (~nobody, [*person, pose, *items, *held, *_place(scene, draw, 0.35)]),
        (~nothing, [*thing, motion, *_relation(scene, draw), *_place(scene, draw, 0.35)]),
        (always, _scenery(scene, draw)),
        (~nobody & ~nothing, [*person, *_if(item.any(), WITH), *short, AND, *thing, *_place(scene, draw, 0.5)]),
    ]
    width = max(len(words) for _, words in lines)
    words = jnp.stack([_padded(words, width) for _, words in lines])
    allowed = jnp.stack([fits for fits, _ in lines]) & (words > 0).any(axis=1)
    return _closed(words[pick(draw.number(), allowed * jnp.asarray([*TEMPLATES.values()], jnp.float32))])
