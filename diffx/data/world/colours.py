"""Colours: twelve with names, in three shades, and the fixed paints of drawings, by their codes."""

import numpy as np

NAMED = {
    "red": "e02b2b",
    "orange": "f58a1f",
    "yellow": "f7d920",
    "green": "2fa344",
    "blue": "2b5fe0",
    "purple": "8a3ec2",
    "pink": "f58ac0",
    "brown": "8a5429",
    "black": "1c1c20",
    "white": "f8f8f6",
    "grey": "8c8f96",
    "turquoise": "27c3c0",
}
SHADES = ("", "light", "dark")
FIXED = {
    "ink": "202028",
    "paper": "f4f1e6",
    "wood": "7a4f2a",
    "bark": "5f4024",
    "leaf": "2f8f3c",
    "leaf2": "46ab49",
    "needle": "1f6b3d",
    "sand": "e8c884",
    "sand2": "d9b46a",
    "grass": "6fb94f",
    "grass2": "549e3e",
    "moss": "3b7a3a",
    "water": "2f7fd0",
    "water2": "78b7ee",
    "stone": "9a9ca6",
    "stone2": "6f7280",
    "road": "55585f",
    "glass": "bfe6f7",
    "gold": "ffcf33",
    "skyblue": "8fcaf5",
    "ice": "dcecf8",
    "snowy": "fbfdff",
    "wheat": "e3c04a",
    "barn": "b5372e",
    "floor": "b98a5c",
    "carpet": "a85d6b",
    "lips": "b5403c",
    "nose": "ee7fa0",
    "beak": "f59a1f",
    "rose": "f49ac2",
    "rust": "d9661c",
    "mist": "e3e6ea",
    "streak": "6b6f86",
    "rain": "a9d0ff",
    "shadow": "303040",
    "lens": "101014",
}
SKINS = ("f7d7bd", "e3b48c", "b07a4e", "6e4628")
HAIR = {
    "black": "26201e",
    "brown": "6b4423",
    "blond": "efcf6a",
    "ginger": "cf5a1e",
    "grey": "9b9ca1",
    "white": "eeeeea",
}


def rgb(hexadecimal: str) -> np.ndarray:
    return np.asarray([int(hexadecimal[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32)


def _shade(colour: np.ndarray, shade: str) -> np.ndarray:
    if shade == "light":
        return colour + 0.5 * (1 - colour)
    return colour * 0.55 if shade == "dark" else colour


# (12, 3, 3): colour, shade, channel.  In drawings the codes -1, -2, -3 are the thing's own colour,
# darker and lighter,
# -4 its second colour (the skin under clothes); 0, 1, ... are PAINTS.
PALETTE = np.asarray(
    [[_shade(rgb(h), shade) for shade in SHADES] for h in NAMED.values()], np.float32
)
PAINTS = np.asarray([rgb(h) for h in FIXED.values()] + [rgb(h) for h in NAMED.values()], np.float32)
CODES = {"main": -1, "dim": -2, "pale": -3, "second": -4} | {
    name: i for i, name in enumerate([*FIXED, *NAMED])
}
SKIN_COLOURS = np.asarray([rgb(h) for h in SKINS], np.float32)
HAIR_COLOURS = np.asarray([rgb(h) for h in HAIR.values()], np.float32)
