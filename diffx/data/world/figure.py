"""A person as shapes: body, limbs hung from their joints, hair, clothes, things worn and held."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world.attributes import HELD, THINGS, index
from diffx.data.world.colours import CODES, HAIR_COLOURS, PALETTE, SKIN_COLOURS
from diffx.data.world.drawings import Drawings
from diffx.data.world.people import EYES, POSE_TABLE
from diffx.data.world.placing import PICTURE, Part, Place
from diffx.data.world.scene import Scene
from diffx.data.world.shapes import table

# joints; half length and half width
SHOULDER, HIP, ARM, LEG = ((0.92, -1.25), (0.42, -2.45), (0.62, 0.22), (0.5, 0.27))
HELD_THINGS = np.asarray([list(THINGS).index(name) for name in HELD])
EYES_TABLE = table([EYES], 1)[0]


def _limb(joint: tuple, limb: tuple, angle: Array, side: int) -> tuple[Array, Array]:
    """The row of a limb that hangs from its joint at an angle outwards, and the end of the limb."""
    (px, py), (half, wide) = joint, limb
    sin, cos, one = side * jnp.sin(angle), jnp.cos(angle), jnp.ones_like(angle)
    middle = [side * px + half * sin, py - half * cos]
    row = [
        one,
        *middle,
        wide * one,
        (half + wide / 2) * one,
        side * angle,
        0 * one,
        one,
        0 * one,
        one,
        one,
        one,
        one,
    ]
    end = jnp.stack([side * px + 2 * half * sin, py - 2 * half * cos])
    return jnp.stack([*row, CODES["main"] * one, one])[None], end


def _turn(at: Place, x: Array, y: Array) -> tuple[Array, Array]:
    """A point of the figure's frame, in the picture."""
    cos, sin = jnp.cos(at.turn), jnp.sin(at.turn)
    return at.x + at.flip * at.scale * (cos * x - sin * y), at.y + at.scale * (sin * x + cos * y)


def _headwear(scene: Scene, drawings: Drawings, at: Place) -> Part:
    x, y = _turn(at, jnp.zeros_like(at.x), 2 * scene.headwear_lift)
    corner = jnp.asarray(drawings.in_corner)[scene.headwear]
    where = Place(
        *(a + corner * (b - a) for a, b in zip(at._replace(x=x, y=y), PICTURE, strict=True))
    )
    return Part(
        drawings.headwear[scene.headwear], where, jnp.asarray(PALETTE)[scene.headwear_colour, 0]
    )


def _held_thing(scene: Scene, drawings: Drawings, at: Place, hand: Array) -> Part:
    x, y = _turn(at, *hand)
    colour = jnp.asarray(PALETTE)[scene.held_colour, 0]
    rows = drawings.thing[jnp.asarray(HELD_THINGS)[scene.held]]
    return Part(rows, Place(x, y + 0.6 * at.scale, 0.95 * at.scale), colour, 0.62 * colour)


def person(scene: Scene, drawings: Drawings) -> list[Part]:
    """The shapes of the person, back to front; invisible where there is no person."""
    pose = jnp.asarray(POSE_TABLE)[scene.pose]
    facing = 1 - 2 * jnp.asarray(scene.facing, jnp.float32)
    x, y = (
        scene.person_x + facing * scene.person_scale * pose[4],
        scene.person_y + scene.person_scale * pose[5],
    )
    at = Place(x, y, scene.person_scale, jnp.radians(pose[6]), facing)
    angles = jnp.radians(pose[:4]) + scene.swing * jnp.asarray([-1, 1, 1, -1], jnp.float32)
    palette, skin, hair = (
        jnp.asarray(PALETTE),
        jnp.asarray(SKIN_COLOURS)[scene.skin],
        jnp.asarray(HAIR_COLOURS)[scene.hair_colour],
    )
    top, legwear = palette[scene.top_colour, scene.top_shade], palette[scene.legwear_colour, 0]
    sleeves = jnp.where(
        (scene.top == index("top", "coat")) | (scene.top == index("top", "sweater")), top, skin
    )
    legs = jnp.where(scene.legwear == index("legwear", "trousers"), legwear, skin)
    left, _ = _limb(SHOULDER, ARM, angles[0], -1)
    right, hand = _limb(SHOULDER, ARM, angles[1], 1)
    parts = [
        Part(drawings.pose_marks[scene.pose], at, skin),
        Part(drawings.hair_behind[scene.hair], at, hair),
        *(Part(_limb(HIP, LEG, angles[i], side)[0], at, legs) for i, side in ((2, -1), (3, 1))),
        Part(left, at, sleeves),
        Part(drawings.legwear[scene.legwear], at, legwear),
        Part(drawings.top[scene.top], at, top, skin),
        Part(drawings.pattern[scene.pattern], at, top),
        Part(right, at, sleeves),
        Part(drawings.body[scene.person], at, skin),
        Part(EYES_TABLE, at, skin),
        Part(drawings.facial_hair[scene.facial_hair], at, hair),
        Part(drawings.mood[scene.mood], at, hair),
        Part(drawings.hair_before[scene.hair], at, hair),
        Part(drawings.neckwear[scene.neckwear], at, palette[scene.neckwear_colour, 0]),
        Part(drawings.eyewear[scene.eyewear], at, hair),
        _headwear(scene, drawings, at),
        _held_thing(scene, drawings, at, hand),
    ]
    there = scene.person > 0
    return [part._replace(there=there) for part in parts]
