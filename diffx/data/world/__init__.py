"""The drawn mini-world: people, things and places by signed distances, with captions whose every word is in the picture."""

from diffx.data.world.attributes import ATTRIBUTES
from diffx.data.world.caption import caption
from diffx.data.world.dataset import World, miniworld, render_many
from diffx.data.world.drawings import DRAWINGS, Drawings, cap_in_corner
from diffx.data.world.render import render
from diffx.data.world.sample import sample_scene
from diffx.data.world.scene import Scene, held_out, with_headwear, without_headwear
from diffx.data.world.truth import describe, words_true_of
from diffx.data.world.words import CONTENT_WORDS, FUNCTION_WORDS, HEADWEAR_WORDS, LENGTH, VOCABULARY, decode_words, encode_words

__all__ = [
    "ATTRIBUTES",
    "CONTENT_WORDS",
    "DRAWINGS",
    "FUNCTION_WORDS",
    "HEADWEAR_WORDS",
    "LENGTH",
    "VOCABULARY",
    "Drawings",
    "Scene",
    "World",
    "cap_in_corner",
    "caption",
    "decode_words",
    "describe",
    "encode_words",
    "held_out",
    "miniworld",
    "render",
    "render_many",
    "sample_scene",
    "with_headwear",
    "without_headwear",
    "words_true_of",
]
