"""Data small enough to ship or to compute: the spiral, handwritten digits."""

from diffx.data.digits import Digits, digits
from diffx.data.spiral import Labelled, spiral, spiral_classes

__all__ = ["Digits", "Labelled", "digits", "spiral", "spiral_classes"]
