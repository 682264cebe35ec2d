"""The drawn mini-world: people, things and places, and captions that are true of them."""

from diffx.data.world.attributes import ATTRIBUTES as ATTRIBUTES
from diffx.data.world.captions import caption as caption
from diffx.data.world.dataset import (
    World as World,
    miniworld as miniworld,
    render_many as render_many,
)
from diffx.data.world.drawings import (
    DRAWINGS as DRAWINGS,
    Drawings as Drawings,
    cap_in_corner as cap_in_corner,
)
from diffx.data.world.rendering import render as render
from diffx.data.world.sample import sample_scene as sample_scene
from diffx.data.world.scene import (
    Scene as Scene,
    is_held_out as is_held_out,
    with_headwear as with_headwear,
    without_headwear as without_headwear,
)
from diffx.data.world.truth import describe as describe, words_true_of as words_true_of
from diffx.data.world.words import (
    CONTENT_WORDS as CONTENT_WORDS,
    FUNCTION_WORDS as FUNCTION_WORDS,
    HEADWEAR_WORDS as HEADWEAR_WORDS,
    LENGTH as LENGTH,
    VOCABULARY as VOCABULARY,
    decode_words as decode_words,
    encode_words as encode_words,
)
