"""Data small enough to ship or to compute: the spiral, handwritten digits, emoji, the drawn mini-world."""

from diffx.data._captioned import Captioned
from diffx.data.digits import Digits, digits
from diffx.data.emoji import emoji
from diffx.data.spiral import Labelled, spiral, spiral_classes
from diffx.data.world import World, decode_words, encode_words, miniworld

__all__ = [
    "Captioned",
    "Digits",
    "Labelled",
    "World",
    "decode_words",
    "digits",
    "emoji",
    "encode_words",
    "miniworld",
    "spiral",
    "spiral_classes",
]
