"""Values of every attribute of a scene, in order; their places in the lists are their numbers."""

from diffx.data.world.animals import ANIMALS
from diffx.data.world.colours import HAIR, NAMED, SHADES, SKINS
from diffx.data.world.household import INDOORS
from diffx.data.world.people import (
    BODY,
    EYEWEAR,
    FACIAL_HAIR,
    HAIR_BEHIND,
    HEADWEAR,
    LEGWEAR,
    MOUTHS,
    NECKWEAR,
    PATTERNS,
    POSES,
    TOPS,
)
from diffx.data.world.places import PLACES, PLANTS, SEASONS, SKY, WEATHER_BEFORE
from diffx.data.world.toys import FOOD, PLAY
from diffx.data.world.vehicles import BUILDINGS, VEHICLES

THINGS = {"": []} | ANIMALS | VEHICLES | BUILDINGS | INDOORS | PLAY | FOOD
MOTIONS = (
    "",
    "flying",
    "falling",
    "floating",
    "rolling",
    "bouncing",
    "jumping",
    "running",
    "swimming",
    "spinning",
    "sleeping",
)
SIZES = ("", "tiny", "small", "big", "huge")
HELD = (
    "",
    "balloon",
    "flag",
    "flower",
    "umbrella",
    "book",
    "ball",
    "sword",
    "apple",
    "guitar",
    "cup",
    "kite",
    "hammer",
    "key",
    "bell",
    "candle",
)

# What comes in twos to fives, with its plural; no drawing here repeats a row, so that whole
# drawings can be repeated.
COUNTABLE = {
    **{
        name: name + "s"
        for name in (
            "ball",
            "car",
            "boat",
            "bird",
            "flower",
            "balloon",
            "apple",
            "cat",
            "dog",
            "house",
            "heart",
            "duck",
            "egg",
        )
    },
    "fish": "fish",
}

COLOURS = tuple(NAMED)
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "place": tuple(PLACES),
    "time": ("day", "night", "sunset"),
    "season": tuple(SEASONS),
    "sky": tuple(SKY),
    "weather": tuple(WEATHER_BEFORE),
    "plant": tuple(PLANTS),
    "person": tuple(BODY),
    "view": ("whole", "portrait"),
    "skin": tuple(str(i) for i in range(len(SKINS))),
    "hair": tuple(HAIR_BEHIND),
    "hair_colour": tuple(HAIR),
    "headwear": tuple(HEADWEAR),
    "headwear_colour": COLOURS,
    "eyewear": tuple(EYEWEAR),
    "facial_hair": tuple(FACIAL_HAIR),
    "mood": tuple(MOUTHS),
    "top": tuple(TOPS),
    "top_colour": COLOURS,
    "top_shade": SHADES,
    "pattern": tuple(PATTERNS),
    "neckwear": tuple(NECKWEAR),
    "neckwear_colour": COLOURS,
    "legwear": tuple(LEGWEAR),
    "legwear_colour": COLOURS,
    "pose": tuple(POSES),
    "held": HELD,
    "held_colour": COLOURS,
    "thing": tuple(THINGS),
    "thing_colour": COLOURS,
    "thing_shade": SHADES,
    "count": ("", "one", "two", "three", "four", "five"),
    "size": SIZES,
    "motion": MOTIONS,
    "facing": ("right", "left"),
}


def index(attribute: str, value: str) -> int:
    """The number of a value of an attribute: index("headwear", "hat") is 1."""
    return ATTRIBUTES[attribute].index(value)
