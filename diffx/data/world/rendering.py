r"""From a scene to a picture: drawings are looked up by number, placed, and painted as shapes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data.world import places as _places
from diffx.data.world.attributes import ATTRIBUTES, index
from diffx.data.world.colours import CODES, PAINTS, PALETTE, rgb
from diffx.data.world.drawings import DRAWINGS, Drawings
from diffx.data.world.figure import person
from diffx.data.world.placing import BLACK, PICTURE, Part, Place, arrange
from diffx.data.world.scene import Scene
from diffx.data.world.shapes import paint

# day, night, sunset
NIGHT_LIGHT = np.asarray([(1, 1, 1), (0.42, 0.45, 0.62), (0.92, 0.72, 0.66)], np.float32)


def _background(scene: Scene, size: int) -> Array:
    """The gradient of the sky, or of a wall: (3, size, size)."""
    outdoors = (_places.DAY, _places.NIGHT, _places.DUSK)
    by_place = {
        "wall": [_places.INDOOR_LIGHT] * 3,
        "room": [_places.INDOOR_LIGHT] * 3,
        "space": [_places.DARK_SPACE] * 3,
    }
    lights = np.asarray(
        [
            [[rgb(h) for h in pair] for pair in by_place.get(p, outdoors)]
            for p in ATTRIBUTES["place"]
        ]
    )
    top, bottom = jnp.asarray(lights, jnp.float32)[scene.place, scene.time]
    indoors = scene.place <= index("place", "room")
    light = jnp.where(indoors, jnp.asarray(NIGHT_LIGHT)[scene.time], 1)
    height = jnp.clip(
        (jnp.arange(size, dtype=jnp.float32) + 0.5) / size / (1 - (1 + _places.GROUND) / 2), 0, 1
    )
    column = (top * light)[:, None] + (bottom * light - top * light)[:, None] * height
    return jnp.broadcast_to(column[:, :, None], (3, size, size))


def _scenery(scene: Scene, drawings: Drawings) -> list[Part]:
    light = jnp.asarray(NIGHT_LIGHT)[scene.time]
    foliage = jnp.asarray(
        np.asarray([PAINTS[CODES[_places.FOLIAGE[s]]] for s in ATTRIBUTES["season"]])
    )[scene.season]
    plant = Place(scene.plant_x, scene.plant_y, scene.plant_scale)
    return [
        Part(drawings.place[scene.place], PICTURE, BLACK, light=light, lack=1.0),
        Part(drawings.behind[scene.weather], PICTURE, BLACK),
        Part(
            drawings.sky[scene.sky],
            Place(scene.sky_x, scene.sky_y, scene.sky_scale),
            BLACK,
            lack=1.0,
        ),
        Part(drawings.season[scene.season], PICTURE, BLACK, light=0.4 + 0.6 * light, lack=1.0),
        Part(drawings.plant[scene.plant], plant, foliage, foliage, light=0.3 + 0.7 * light),
    ]


def _thing(scene: Scene, drawings: Drawings) -> list[Part]:
    colour = jnp.asarray(PALETTE)[scene.thing_colour, scene.thing_shade]
    level = Place(
        scene.thing_x,
        scene.thing_y,
        scene.thing_scale,
        flip=1 - 2 * jnp.asarray(scene.facing, jnp.float32),
    )
    turned = level._replace(turn=scene.thing_angle)
    thing = Part(drawings.thing[scene.thing], turned, colour, 0.62 * colour, count=scene.count)
    return [thing, Part(drawings.marks[scene.motion], level, colour, count=scene.count)]


def render(scene: Scene, size: int = 32, *, drawings: Drawings = DRAWINGS) -> Array:
    r"""The picture of one scene: (size, size, 3) float32 in [-1, 1].

    Signed distances are composited in order; the result is differentiable in the scene's floats.
    Other tables draw another world of the same facts, such as `cap_in_corner()`.

    Units: scene without leading axes; `jax.vmap(render)` draws a batch.
    Source: derived here.
    """
    drawings = jax.tree.map(jnp.asarray, drawings)
    parts = [
        *_scenery(scene, drawings),
        *_thing(scene, drawings),
        *person(scene, drawings),
        _foreground(scene, drawings),
    ]
    return 2 * jnp.moveaxis(paint(_background(scene, size), arrange(parts)), 0, -1) - 1


def _foreground(scene: Scene, drawings: Drawings) -> Part:
    fallen = PICTURE._replace(y=0.18 - 0.36 * scene.phase)  # the rows of drops are 0.36 apart
    return Part(drawings.before[scene.weather], fallen, BLACK, lack=1.0)
