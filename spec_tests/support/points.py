"""Fields of points, and the sizes of their rounding."""

import numpy as np
from hypothesis import strategies as st

from spec_tests.oracles import bayes

LEVELS = st.floats(-1.0, 2.0).map(lambda u: float(np.float32(np.exp(u))))


def sizes(
    points: np.ndarray, weights: np.ndarray, a: float, s: float, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(posterior mean, scale of its rounding): the points', and logits wrong by ulps of Q move p_i
    Q_i |x_i - D|.
    """
    mean = bayes.points_posterior(points, weights, a, s, x).mean
    away = x[..., None, :] - a * points
    reach = np.abs(x)[..., None, :] + a * np.abs(points)
    unsure = 2 + (np.abs(away) * (np.abs(away) + reach)).sum(-1) / s**2
    shares = (
        np.exp(
            -(away**2 - (away**2).sum(-1).min(-1)[..., None, None] / points.shape[1]).sum(-1)
            / (2 * s**2)
        )
        * weights
    )
    shares = shares / shares.sum(-1, keepdims=True)
    moved = shares * unsure * np.linalg.norm(points - mean[..., None, :], axis=-1)
    return mean, (np.abs(mean) + moved.sum(-1)[..., None] + (shares @ np.abs(points)))


def seeded(n: int, seed: int, zeros: bool) -> tuple[np.ndarray, np.ndarray]:
    """n points in the plane and weights of sum 1 in float32 too, a third of them 0 if wanted."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (n, 2)).astype(np.float32).astype(np.float64)
    counts = rng.multinomial(2**12, np.full(n, 1 / n))
    if zeros:
        counts[-1] += counts[: n // 3].sum()
        counts[: n // 3] = 0  # the first chunk of 64 too, where n > 192
    return points, counts / 2**12
