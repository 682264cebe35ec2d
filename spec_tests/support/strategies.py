"""What hypothesis draws for the claims: numpy float64 arrays of fixed shapes, so that compiled
functions are shared.

Every number (rotations apart) is one that float32 holds exactly, so that a float32 instance and its
float64 oracle start from the same numbers, and is either 0 or at least 1e-6 in size, so that
nothing underflows.
"""

import numpy as np
from hypothesis import strategies as st

REACH = 5.0  # data and means lie in [-5, 5]
VARIANCES = (1e-3, 1e2)
LOG_SNR = (-12.0, 12.0)  # neither alpha nor sigma underflows here
GAP = 1e-3  # between neighbours of a grid


def floats(low: float, high: float):
    """One number in [low, high]."""
    return st.floats(low, high, allow_subnormal=False).map(_one)


def log_uniform(low: float, high: float):
    """One positive number in [low, high], as likely in each decade."""
    return st.floats(np.log(low), np.log(high), allow_subnormal=False).map(
        lambda u: _one(np.exp(u))
    )


def arrays(shape: int | tuple[int, ...], elements):
    """An array of independent draws."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = int(np.prod(shape))
    draws = st.lists(elements, min_size=size, max_size=size)
    return draws.map(lambda numbers: np.array(numbers, np.float64).reshape(shape))


def points(*shape: int):
    """Data or means: (shape) in [-5, 5]."""
    return arrays(shape, floats(-REACH, REACH))


def variances(*shape: int):
    """(shape) log-uniform in [1e-3, 1e2]."""
    return arrays(shape, log_uniform(*VARIANCES))


def weights(k: int):
    """(k,) positive weights that sum to 1 up to float32 rounding."""
    return arrays(k, log_uniform(1e-2, 1.0)).map(lambda w: _representable(w / w.sum()))


def seeds():
    """A seed of numpy's or jax's generator."""
    return st.integers(0, 2**31 - 1)


def normals(*shape: int):
    """(shape) standard normals of a drawn seed: noises and starting points."""
    return seeds().map(
        lambda seed: _representable(np.random.default_rng(seed).standard_normal(shape))
    )


def rotations(d: int):
    """(d, d) random orthogonal matrix to float64 rounding: QR of a seeded normal matrix."""
    return seeds().map(lambda seed: rotation(seed, d))


def covariances(d: int):
    """(d, d) symmetric, with log-uniform eigenvalues in a randomly rotated basis."""
    return st.builds(lambda q, v: rotated(v, q), rotations(d), variances(d))


def times(low: float = 0.0, high: float = 1.0):
    """One time."""
    return floats(low, high)


def log_snrs():
    """One log-SNR in [-12, 12]."""
    return floats(*LOG_SNR)


def grids(n: int, low: float = 0.0, high: float = 1.0, gap: float = GAP):
    """(n + 1,) decreasing times in [low, high], neighbours at least `gap` apart."""
    room = high - low - n * gap
    steps = gap * np.arange(n + 1)
    draws = arrays(n + 1, floats(0.0, 1.0))
    return draws.map(lambda u: _representable(low + np.sort(u) * room + steps)[::-1].copy())


def log_snr_grids(n: int, low: float = LOG_SNR[0], high: float = LOG_SNR[1], gap: float = GAP):
    """(n + 1,) increasing log-SNRs: a decreasing time grid for any process, by its
    time_of_log_snr.
    """
    return grids(n, low, high, gap).map(lambda grid: grid[::-1].copy())


def rotation(seed: int, d: int) -> np.ndarray:
    """The orthogonal factor of a normal matrix, signs fixed so that the law is Haar's."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def rotated(values: np.ndarray, q: np.ndarray) -> np.ndarray:
    """q diag(values) q^T, exactly symmetric."""
    matrix = _representable((q * values) @ q.T)
    return (matrix + matrix.T) / 2


def _one(x: float) -> float:
    return float(_representable(np.asarray(x)))


def _representable(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32).astype(np.float64)
    return np.where(np.abs(x) < 1e-6, 0.0, x)
