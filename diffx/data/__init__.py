"""Data small enough to ship or to compute: the spiral, handwritten digits."""

from diffx.data.digits import Digits, digits
from diffx.data.spiral import spiral

__all__ = ["Digits", "digits", "spiral"]
