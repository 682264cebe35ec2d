r"""A scene as a value: its contents (integers) and its positions (floats, replaced to move it)."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from diffx.data.world.attributes import ATTRIBUTES, index


class Scene(NamedTuple):
    """Integers that number the values in `ATTRIBUTES`, and floats in units of the picture.

    Every field has the leading axes of a batch. Value 0 of person, headwear, held, thing, ... is
    "none".

    Units: integers int32; floats float32, in a picture [-1, 1]^2 with y up.
    """

    place: Array
    time: Array
    season: Array
    sky: Array
    weather: Array
    plant: Array
    person: Array
    view: Array
    skin: Array
    hair: Array
    hair_colour: Array
    headwear: Array
    headwear_colour: Array
    eyewear: Array
    facial_hair: Array
    mood: Array
    top: Array
    top_colour: Array
    top_shade: Array
    pattern: Array
    neckwear: Array
    neckwear_colour: Array
    legwear: Array
    legwear_colour: Array
    pose: Array
    held: Array
    held_colour: Array
    thing: Array
    thing_colour: Array
    thing_shade: Array
    count: Array
    size: Array
    motion: Array
    facing: Array
    person_x: Array  # of the head's centre, before its pose moves it
    person_y: Array
    person_scale: Array  # half the head's height
    # radians that legs and arms swing from their pose; a film of steps is a sine of time
    swing: Array
    headwear_lift: Array  # 0 on the head; 1: lifted by one head
    thing_x: Array
    thing_y: Array
    thing_scale: Array  # half the width of one thing
    thing_angle: Array  # radians, counter-clockwise
    plant_x: Array
    plant_y: Array
    plant_scale: Array
    sky_x: Array
    sky_y: Array
    sky_scale: Array
    phase: Array  # 0 to 1: how far rain and snow have fallen towards the next row


def with_headwear(scene: Scene, kind: str) -> Scene:
    """The same scene with this headwear ("hat", "cap", ...) on the head, in its headwear_colour.

    Raises: ValueError for a kind that is not in ATTRIBUTES["headwear"].
    """
    kinds = ATTRIBUTES["headwear"]
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds[1:])}, got {kind!r}")
    return scene._replace(headwear=jnp.full_like(scene.headwear, kinds.index(kind)))


def without_headwear(scene: Scene) -> Scene:
    """The same scene with a bare head; nothing else changes, hair included."""
    return scene._replace(headwear=jnp.zeros_like(scene.headwear))


def is_held_out(scene: Scene) -> Array:
    """Whether training never shows this scene; boolean.

    Held out are headwear with a beard, an orange coat and a purple car.
    """
    bearded = (scene.headwear > 0) & (scene.facial_hair == index("facial_hair", "beard"))
    orange, purple = index("top_colour", "orange"), index("thing_colour", "purple")
    coat = (scene.top == index("top", "coat")) & (scene.top_colour == orange)
    car = (scene.thing == index("thing", "car")) & (scene.thing_colour == purple)
    return bearded | coat | car
