"""What a perfect consistency model answers on Gaussian data, from the denoiser alone."""

from collections.abc import Callable

import numpy as np


def consistency(denoise: Callable, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """Where the probability flow through rows x at level (alpha, sigma) meets the data.

    The denoiser at level (1, 1), D = mean + (x - mean) G with G = C (C + 1)^-1, tells mean and
    covariance C of the data.
    """
    eye = np.eye(x.shape[-1])
    offset = denoise(0 * eye[:1], 1.0, 1.0)
    gain = denoise(eye, 1.0, 1.0) - offset
    mean, cov = offset @ np.linalg.inv(eye - gain), gain @ np.linalg.inv(eye - gain)
    values, axes = np.linalg.eigh((cov + cov.T) / 2)
    values = np.maximum(values, 0)
    stretch = np.sqrt(values / (alpha**2 * values + sigma**2))
    return mean + (x - alpha * mean) @ (axes * stretch) @ axes.T
