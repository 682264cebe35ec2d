"""Data small enough to ship or to compute: the spiral, handwritten digits, the drawn mini-world."""

from diffx.data.digits import Digits, digits
from diffx.data.spiral import Labelled, spiral, spiral_classes
from diffx.data.world import World, miniworld

__all__ = ["Digits", "Labelled", "World", "digits", "miniworld", "spiral", "spiral_classes"]
