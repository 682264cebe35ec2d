r"""The vocabulary: the words that attributes make true; text to numbers and back."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np

from diffx.data.world.animals import ANIMALS
from diffx.data.world.attributes import ATTRIBUTES, COLOURS, COUNTABLE
from diffx.data.world.vehicles import BUILDINGS, VEHICLES

LENGTH = 24  # words in a caption at most; what is shorter is padded by 0
FUNCTION_WORDS = (
    *("a", "an", "the", "with", "without", "in", "on", "at", "by", "of", "and", "no", "wearing"),
    *("left", "right", "above"),
)
OUTDOORS = "outdoors"
# Beyond its own name: the words that a value makes true.
MORE: dict[str, dict[str, tuple[str, ...]]] = {
    "place": {
        "wall": ("indoors",),
        "room": ("indoors", "floor"),
        "desert": (OUTDOORS, "sand"),
        "forest": (OUTDOORS, "woods", "tree"),
        "beach": (OUTDOORS, "shore", "sand", "water"),
        "sea": (OUTDOORS, "ocean", "water", "waves"),
        "city": (OUTDOORS, "town", "street", "building"),
        "mountain": (OUTDOORS, "grass", "snow"),
        "farm": (OUTDOORS, "barn", "fence", "building"),
        "meadow": (OUTDOORS, "field", "grass"),
        "lake": (OUTDOORS, "water", "grass"),
        "space": ("planet",),
        "arctic": (OUTDOORS, "igloo", "ice", "snow", "building"),
    },
    "time": {"sunset": ("dusk",)},
    "season": {"autumn": ("fall", "leaves"), "winter": ("snow",), "spring": ("blossom",)},
    "sky": {"sun": ("sunny",), "cloud": ("cloudy",)},
    "weather": {
        "rain": ("raining",),
        "snow": ("snowing",),
        "lightning": ("storm",),
        "fog": ("foggy",),
    },
    "plant": {
        name: ("plant", "tree") if name in ("tree", "pine", "palm") else ("plant",)
        for name in ATTRIBUTES["plant"]
        if name
    },
    "person": {
        "man": ("person", "adult"),
        "woman": ("person", "adult", "lady"),
        "boy": ("person", "child", "kid"),
        "girl": ("person", "child", "kid"),
    },
    "view": {"portrait": ("face",)},
    "hair": {"short": ("hair",), "long": ("hair",), "curly": ("hair",), "ponytail": ("hair",)},
    "facial_hair": {"beard": ("bearded",), "moustache": ()},
    "mood": {"smiling": ("happy",)},
    "top": {"coat": ("jacket",), "sweater": ("jumper",)},
    "pattern": {"dotted": ("spotted",)},
    "legwear": {"trousers": ("pants",)},
    "held": {name: ("holding",) for name in ATTRIBUTES["held"] if name}
    | {"flower": ("holding", "plant")},
    "size": {"small": ("little",), "big": ("large",)},
    "count": {
        "two": ("pair",),
        "three": ("several",),
        "four": ("several", "many"),
        "five": ("several", "many"),
    },
    "thing": {
        **{name: ("animal",) for name in ANIMALS},
        **{name: ("vehicle",) for name in VEHICLES},
        **{name: ("building",) for name in BUILDINGS if name not in ("bridge", "tent")},
        **{name: ("fruit",) for name in ("apple", "banana", "cherry")},
        "rabbit": ("animal", "bunny"),
        "car": ("vehicle", "automobile"),
        "bicycle": ("vehicle", "bike"),
        "plane": ("vehicle", "airplane"),
        "gift": ("present",),
        "house": ("building", "home"),
        "flower": ("plant",),
    },
}
# pairs of words that are true of the same scenes; a caption takes the second one in three
SYNONYMS = (
    *(
        ("forest", "woods"),
        ("beach", "shore"),
        ("sea", "ocean"),
        ("city", "town"),
        ("meadow", "field"),
        ("sunset", "dusk"),
    ),
    *(
        ("autumn", "fall"),
        ("boy", "kid"),
        ("girl", "child"),
        ("woman", "lady"),
        ("coat", "jacket"),
        ("sweater", "jumper"),
    ),
    *(
        ("dotted", "spotted"),
        ("trousers", "pants"),
        ("small", "little"),
        ("big", "large"),
        ("rabbit", "bunny"),
    ),
    *(
        ("car", "automobile"),
        ("bicycle", "bike"),
        ("plane", "airplane"),
        ("gift", "present"),
        ("house", "home"),
    ),
    *(
        ("smiling", "happy"),
        ("lightning", "storm"),
        ("rain", "raining"),
        ("snow", "snowing"),
        ("fog", "foggy"),
        ("two", "pair"),
    ),
)
DERIVED = ("middle", "nobody")  # of where things are; nobody: no person
WORDLESS = ("skin", "facing", "view")


def _own(attribute: str, value: str) -> tuple[str, ...]:
    if attribute in WORDLESS and value != "portrait":
        return ()
    own = (value,) if value else ()
    return own + MORE.get(attribute, {}).get(value, ())


WORDS_OF = {name: [_own(name, value) for value in values] for name, values in ATTRIBUTES.items()}


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


PLURALS = _unique(COUNTABLE.values())
CONTENT_WORDS = _unique(
    [
        *(word for values in WORDS_OF.values() for words in values for word in words),
        *PLURALS,
        *DERIVED,
    ]
)
VOCABULARY: tuple[str, ...] = ("", *FUNCTION_WORDS, *CONTENT_WORDS)
NUMBER = {word: number for number, word in enumerate(VOCABULARY)}
HEADWEAR_WORDS = ATTRIBUTES["headwear"][1:]
COLOUR_WORDS = _unique([*COLOURS, "blond", "ginger"])


def encode_words(text: str) -> np.ndarray:
    """The numbers in VOCABULARY of the words of a text, padded by 0: (LENGTH,) int32.

    Words are separated by spaces; capitals, commas and full stops do not matter.

    Raises: TypeError unless text is a string; ValueError for an empty one, for one of more than
        LENGTH words, and for words outside the vocabulary, all of which are listed with similar
        words.
    Also called: tokenizer, tokenize, word ids.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, one caption, got {type(text).__name__}")
    words = text.lower().replace(",", " ").replace(".", " ").split()
    if not words:
        raise ValueError("a caption must have at least one word, got an empty text")
    unknown = [word for word in dict.fromkeys(words) if word not in NUMBER]
    if unknown:
        raise ValueError(
            f"not in the vocabulary of {len(VOCABULARY) - 1} words: "
            f"{'; '.join(map(_suggest, unknown))}"
        )
    if len(words) > LENGTH:
        raise ValueError(f"a caption may have at most {LENGTH} words, got {len(words)}")
    return np.asarray([NUMBER[word] for word in words] + [0] * (LENGTH - len(words)), np.int32)


def _suggest(word: str) -> str:
    near = get_close_matches(word, VOCABULARY[1:], n=3)
    return f"{word!r} (near: {', '.join(near)})" if near else repr(word)


def decode_words(numbers: Any) -> str:
    """The words of these numbers of VOCABULARY, joined by spaces; 0, the padding, is left out.

    Raises: ValueError for a number outside the vocabulary.
    Also called: detokenize.
    """
    numbers = np.asarray(numbers).ravel()
    if numbers.size and (numbers.min() < 0 or numbers.max() >= len(VOCABULARY)):
        raise ValueError(
            f"word numbers must lie in 0..{len(VOCABULARY) - 1}, got "
            f"{numbers.min()}..{numbers.max()}"
        )
    return " ".join(VOCABULARY[number] for number in numbers if number)
