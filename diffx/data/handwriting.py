r"""Handwritten digits that need no download: those inside scikit-learn."""

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diffx.data._captioned import SPLITS, choice

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LAST_FORMS = 1415  # where the twelfth of fourteen forms begins


class Digits(NamedTuple):
    """images: (n, 8, 8) in [-1, 1], -1 is paper and 1 is ink; labels: (n,) integers 0 to 9."""

    images: Array
    labels: Array

    @property
    def captions(self) -> tuple[str, ...]:
        """The words of the labels, "zero" to "nine"."""
        return tuple(WORDS[label] for label in np.asarray(self.labels))


def digits(*, split: str = "all") -> Digits:
    r"""Handwritten digits: images ink/8 - 1 (n, 8, 8) in [-1, 1], labels (n,), and their words.

    Ink counts from 0 to 16 become steps of 1/8, so the numbers are exact in float32. The split is
    "all" (1,797), "train" (the first 1,415) or "test" (the last 382), so that no handwritten form
    is in both. A digit has no attribute but its hand. The UCI set had 30 writers for training and
    13 others for testing; scikit-learn ships the testing part alone and does not say who wrote
    what. But everyone filled in one printed form: the labels repeat one sequence of 130, a few
    lost, 14 times, and the last three begin at row 1,415. There are fourteen forms of 13 writers,
    so somebody's second form may be in the other part. Shuffled splits flatter: they test on hands
    that were trained.

    Provenance: the test set of "Optical Recognition of Handwritten Digits", E. Alpaydin and C.
    Kaynak 1998, UCI Machine Learning Repository, doi:10.24432/C50P49, licence CC BY 4.0, as it
    ships inside scikit-learn (licence BSD-3-Clause). The forms: scikit-learn MOOC, "Sample
    grouping", whose boundaries agree with the labels.

    Units: images float32, labels int32.
    Raises: ImportError, with the way out, where scikit-learn is not installed; ValueError for an
        unknown split.
    Also called: MNIST-like digits, 8x8 digits, sklearn load_digits, optical recognition of
        handwritten digits.
    """
    choice("split", split, SPLITS)
    images, labels = _read()
    rows = {"all": slice(None), "train": slice(LAST_FORMS), "test": slice(LAST_FORMS, None)}[split]
    return Digits(
        jnp.asarray(images[rows] / 8 - 1, jnp.float32), jnp.asarray(labels[rows], jnp.int32)
    )


@lru_cache(maxsize=1)
def _read() -> tuple[np.ndarray, np.ndarray]:
    """Ink counts (1797, 8, 8) and labels (1797,): 0.1 s of decompression, once."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "diffx.data.digits reads the digits inside scikit-learn, which is not installed; "
            "install the extra 'data': python -m pip install 'diffx-reference[data]'"
        ) from error
    images, labels = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8), labels
