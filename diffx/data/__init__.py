"""Data small enough to ship or to compute: the spiral, handwritten digits, emoji, the
mini-world.
"""

from diffx.data._captioned import Captioned as Captioned
from diffx.data.emoji_pictures import emoji as emoji
from diffx.data.handwriting import Digits as Digits, digits as digits
from diffx.data.spirals import (
    Labelled as Labelled,
    spiral as spiral,
    spiral_classes as spiral_classes,
)
from diffx.data.world.dataset import World as World, miniworld as miniworld
from diffx.data.world.words import decode_words as decode_words, encode_words as encode_words
