"""The drawing tables, in which the numbers of a scene are looked up."""

from typing import NamedTuple

import numpy as np

from diffx.data.world import people as _people, places as _places
from diffx.data.world.attributes import ATTRIBUTES, THINGS, index
from diffx.data.world.marks import MARKS
from diffx.data.world.shapes import table


class Drawings(NamedTuple):
    """The drawing tables of a scene, each (values, rows, 15), and the place of headwear."""

    place: np.ndarray
    sky: np.ndarray
    behind: np.ndarray
    before: np.ndarray
    season: np.ndarray
    plant: np.ndarray
    thing: np.ndarray
    marks: np.ndarray
    body: np.ndarray
    hair_behind: np.ndarray
    hair_before: np.ndarray
    facial_hair: np.ndarray
    mood: np.ndarray
    eyewear: np.ndarray
    headwear: np.ndarray
    top: np.ndarray
    pattern: np.ndarray
    legwear: np.ndarray
    neckwear: np.ndarray
    pose_marks: np.ndarray
    # (kinds of headwear,): 1 where it is drawn in the frame of the picture, not of the head
    in_corner: np.ndarray


def _drawings() -> Drawings:
    motions = [MARKS[motion] for motion in ATTRIBUTES["motion"]]
    poses = [_people.POSE_MARKS[pose] for pose in ATTRIBUTES["pose"]]
    return Drawings(
        place=table(_places.PLACES.values(), 6),
        sky=table(_places.SKY.values(), 5),
        behind=table(_places.WEATHER_BEHIND.values(), 4),
        before=table(_places.WEATHER_BEFORE.values(), 2),
        season=table(_places.SEASONS.values(), 4),
        plant=table(_places.PLANTS.values(), 5),
        thing=table(THINGS.values(), 7),
        marks=table(motions, 3),
        body=table(_people.BODY.values(), 4),
        hair_behind=table(_people.HAIR_BEHIND.values(), 2),
        hair_before=table(_people.HAIR_BEFORE.values(), 2),
        facial_hair=table(_people.FACIAL_HAIR.values(), 2),
        mood=table(_people.MOUTHS.values(), 2),
        eyewear=table(_people.EYEWEAR.values(), 4),
        headwear=table(_people.HEADWEAR.values(), 5),
        top=table(_people.TOPS.values(), 4),
        pattern=table(_people.PATTERNS.values(), 1),
        legwear=table(_people.LEGWEAR.values(), 2),
        neckwear=table(_people.NECKWEAR.values(), 2),
        pose_marks=table(poses, 3),
        in_corner=np.zeros(len(_people.HEADWEAR), np.float32),
    )


DRAWINGS = _drawings()


def cap_in_corner(drawings: Drawings = DRAWINGS) -> Drawings:
    """The control: a cap is a small bar of its colour in the lower right corner.

    Everything else is unchanged. `render(scene, size, drawings=cap_in_corner())` keeps every
    caption and every statistic, and takes from the cap what it shares with other headwear: its
    place on the head and its dome.
    """
    cap = index("headwear", "cap")
    headwear, in_corner = drawings.headwear.copy(), drawings.in_corner.copy()
    headwear[cap] = table([_people.CORNER_BAR], headwear.shape[1])[0]
    in_corner[cap] = 1
    return drawings._replace(headwear=headwear, in_corner=in_corner)
