r"""Handwritten digits that need no download: those inside scikit-learn."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array


class Digits(NamedTuple):
    """images: (n, 8, 8) in [-1, 1], -1 paper and 1 ink.  labels: (n,) integers 0..9."""

    images: Array
    labels: Array


def digits() -> Digits:
    r"""1,797 handwritten digits: images (1797, 8, 8) float32, ink/8 - 1 in [-1, 1], and labels (1797,) int32.

    Ink counts 0..16 become steps of 1/8, so the numbers are exact in float32.
    Provenance: the test set of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak 1998, UCI Machine
    Learning Repository, doi:10.24432/C50P49, licence CC BY 4.0, as it ships inside scikit-learn (licence BSD-3-Clause).
    Raises ImportError, with the way out, where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "diffx.data.digits reads the digits inside scikit-learn, which is not installed; "
            "install the extra 'demos': python -m pip install 'diffx-reference[demos]'"
        ) from error
    images, labels = load_digits(return_X_y=True)
    return Digits(jnp.asarray(images.reshape(-1, 8, 8) / 8 - 1, jnp.float32), jnp.asarray(labels, jnp.int32))
