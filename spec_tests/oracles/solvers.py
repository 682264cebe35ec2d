"""The solvers of the probability flow as their papers and released code write them, in numpy
float64, in half the log-SNR.

Nodes are k = log(alpha/sigma), increasing; the process is variance preserving, alpha^2 = 1/(1 +
e^-2k). A denoiser is a function (x, alpha, sigma) -> x0. Polynomials are Lagrange's and their
integrals Gauss-Legendre's, weights of UniPC come from its linear system: nothing here is in
Newton's form.
"""

from collections.abc import Callable
from itertools import pairwise
from math import factorial

import numpy as np

Denoise = Callable[[np.ndarray, float, float], np.ndarray]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def alpha(k: float) -> float:
    return float(1 / np.sqrt(1 + np.exp(-2 * k)))


def sigma(k: float) -> float:
    return float(1 / np.sqrt(1 + np.exp(2 * k)))


def data(denoise: Denoise, x: np.ndarray, k: float) -> np.ndarray:
    return denoise(x, alpha(k), sigma(k))


def noise(denoise: Denoise, x: np.ndarray, k: float) -> np.ndarray:
    return (x - alpha(k) * data(denoise, x, k)) / sigma(k)


def dpm_1(denoise: Denoise, x: np.ndarray, k: float, end: float) -> np.ndarray:
    return alpha(end) / alpha(k) * x - sigma(end) * np.expm1(end - k) * noise(denoise, x, k)


def dpm_2(denoise: Denoise, x: np.ndarray, k: float, end: float) -> np.ndarray:
    """Lu et al. 2022, arXiv:2206.00927, Algorithm 1."""
    middle = (k + end) / 2
    u = dpm_1(denoise, x, k, middle)
    return alpha(end) / alpha(k) * x - sigma(end) * np.expm1(end - k) * noise(denoise, u, middle)


def dpm_3(denoise: Denoise, x: np.ndarray, k: float, end: float) -> np.ndarray:
    """Lu et al. 2022, arXiv:2206.00927, Algorithm 2."""
    h, r1, r2 = end - k, 1 / 3, 2 / 3
    k1, k2, eps = k + r1 * h, k + r2 * h, noise(denoise, x, k)
    u1 = alpha(k1) / alpha(k) * x - sigma(k1) * np.expm1(r1 * h) * eps
    d1 = noise(denoise, u1, k1) - eps
    u2 = alpha(k2) / alpha(k) * x - sigma(k2) * np.expm1(r2 * h) * eps
    u2 = u2 - sigma(k2) * r2 / r1 * (np.expm1(r2 * h) / (r2 * h) - 1) * d1
    d2 = noise(denoise, u2, k2) - eps
    end_point = alpha(end) / alpha(k) * x - sigma(end) * np.expm1(h) * eps
    return end_point - sigma(end) / r2 * (np.expm1(h) / h - 1) * d2


def pp_2s(denoise: Denoise, x: np.ndarray, k: float, end: float) -> np.ndarray:
    """Lu et al. 2022, arXiv:2211.01095, Algorithm 1, r = 1/2."""
    h, middle = end - k, (k + end) / 2
    u = sigma(middle) / sigma(k) * x - alpha(middle) * np.expm1(-h / 2) * data(denoise, x, k)
    return sigma(end) / sigma(k) * x - alpha(end) * np.expm1(-h) * data(denoise, u, middle)


def pp_3s(denoise: Denoise, x: np.ndarray, k: float, end: float) -> np.ndarray:
    """singlestep_dpm_solver_third_update of the authors' code, for data prediction, solver_type
    "dpmsolver".
    """
    h, r1, r2 = end - k, 1 / 3, 2 / 3
    k1, k2, x0 = k + r1 * h, k + r2 * h, data(denoise, x, k)
    phi_22, phi_2 = np.expm1(-r2 * h) / (r2 * h) + 1, np.expm1(-h) / h + 1
    u1 = sigma(k1) / sigma(k) * x - alpha(k1) * np.expm1(-r1 * h) * x0
    u2 = sigma(k2) / sigma(k) * x - alpha(k2) * np.expm1(-r2 * h) * x0
    u2 = u2 + r2 / r1 * alpha(k2) * phi_22 * (data(denoise, u1, k1) - x0)
    end_point = sigma(end) / sigma(k) * x - alpha(end) * np.expm1(-h) * x0
    return end_point + alpha(end) * phi_2 / r2 * (data(denoise, u2, k2) - x0)


def single(step: Callable, denoise: Denoise, x: np.ndarray, ks: np.ndarray) -> np.ndarray:
    """The trajectory of a one-step method after every step."""
    out = []
    for k, end in pairwise(ks):
        x = step(denoise, x, k, end)
        out.append(x)
    return np.array(out)


def integral(function: Callable[[float], np.ndarray], low: float, high: float) -> np.ndarray:
    """Gauss-Legendre with 24 nodes."""
    points = low + (high - low) * (NODES + 1) / 2
    return (
        np.asarray(sum(w * function(p) for w, p in zip(WEIGHTS, points, strict=True)))
        * (high - low)
        / 2
    )


def lagrange(nodes: np.ndarray, values: list[np.ndarray], at: float) -> np.ndarray:
    """The polynomial through (nodes, values)."""
    total = 0 * values[0]
    for j, value in enumerate(values):
        others = np.delete(nodes, j)
        total = total + value * np.prod((at - others) / (nodes[j] - others))
    return total


def adams(
    denoise: Denoise, x: np.ndarray, ks: np.ndarray, order: int, *, of_noise: bool
) -> np.ndarray:
    """Exponential Adams-Bashforth: the polynomial through the last `order` answers, integrated by
    quadrature.
    """
    out, answers = [], []
    for i, (k, end) in enumerate(pairwise(ks)):
        answers.append(noise(denoise, x, k) if of_noise else data(denoise, x, k))
        known = slice(max(0, i + 1 - order), i + 1)
        nodes, values = ks[known], answers[known]
        sign, size = (-1, alpha) if of_noise else (1, sigma)
        total = integral(
            lambda q, nodes=nodes, values=values, sign=sign: (
                np.exp(sign * q) * lagrange(nodes, values, q)
            ),
            k,
            end,
        )
        x = size(end) / size(k) * x + sign * size(end) * total
        out.append(x)
    return np.array(out)


def pp_2m(denoise: Denoise, x: np.ndarray, ks: np.ndarray) -> np.ndarray:
    """Lu et al. 2022, arXiv:2211.01095, Algorithm 2."""
    out, answers = [], []
    for i, (k, end) in enumerate(pairwise(ks)):
        answers.append(data(denoise, x, k))
        held, h = answers[-1], end - k
        if i:
            r = (k - ks[i - 1]) / h
            held = (1 + 1 / (2 * r)) * answers[-1] - answers[-2] / (2 * r)
        x = sigma(end) / sigma(k) * x - alpha(end) * np.expm1(-h) * held
        out.append(x)
    return np.array(out)


def released_3m(
    denoise: Denoise, x: np.ndarray, ks: np.ndarray, begin: list[np.ndarray]
) -> np.ndarray:
    """The third-order multi-step update of released code; begin: the answers at the two nodes
    before ks[0], oldest first.

    ks starts with these two nodes.
    """
    answers = list(begin)
    for i in range(2, len(ks) - 1):
        k, end = ks[i], ks[i + 1]
        answers.append(data(denoise, x, k))
        h = end - k
        r0, r1 = (k - ks[i - 1]) / h, (ks[i - 1] - ks[i - 2]) / h
        d1_0, d1_1 = (answers[-1] - answers[-2]) / r0, (answers[-2] - answers[-3]) / r1
        d1, d2 = d1_0 + r0 / (r0 + r1) * (d1_0 - d1_1), (d1_0 - d1_1) / (r0 + r1)
        phi_2 = np.expm1(-h) / h + 1
        phi_3 = phi_2 / h - 0.5
        x = sigma(end) / sigma(k) * x - alpha(end) * np.expm1(-h) * answers[-1]
        x = x + alpha(end) * phi_2 * d1 - alpha(end) * phi_3 * d2
    return x


def unipc(denoise: Denoise, x: np.ndarray, ks: np.ndarray, order: int, *, bh2: bool) -> np.ndarray:
    """Zhao et al. 2023, arXiv:2302.04867, by the linear systems of the authors' code, one order
    more at every first step.

    The trajectory holds predictions: the correction of a point comes with the step after it.
    """
    out, answers, point = [], [data(denoise, x, ks[0])], x
    for i, (k, end) in enumerate(pairwise(ks)):
        p = min(order, i + 1)
        h = end - k
        ratios = [(ks[i - m] - k) / h for m in range(1, p)]
        slopes = [
            (answers[-1 - m] - answers[-1]) / r for m, r in zip(range(1, p), ratios, strict=True)
        ]
        matrix, b, scale = _system([*ratios, 1.0], -h, bh2)
        base = sigma(end) / sigma(k) * point - alpha(end) * np.expm1(-h) * answers[-1]
        if p == 1:
            predicted = base
        else:
            rho = [0.5] if p == 2 else np.linalg.solve(matrix[:-1, :-1], b[:-1])
            predicted = base - alpha(end) * scale * sum(
                r * d for r, d in zip(rho, slopes, strict=True)
            )
        out.append(predicted)
        answer = data(denoise, predicted, end)
        rho = [0.5] if p == 1 else np.linalg.solve(matrix, b)
        slopes = [*slopes, answer - answers[-1]]
        point = base - alpha(end) * scale * sum(r * d for r, d in zip(rho, slopes, strict=True))
        answers.append(answer)
    return np.array(out)


def _system(ratios: list[float], hh: float, bh2: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """R rho = b: the powers of the ratios, and n! phi_{n+1}(hh) hh/B."""
    scale = float(np.expm1(hh)) if bh2 else hh
    n = len(ratios)
    matrix = np.array([np.array(ratios) ** i for i in range(n)])
    b = np.array([factorial(i) * _h_phi(i, hh) / scale for i in range(1, n + 1)])
    return matrix, b, scale


def _h_phi(i: int, hh: float) -> float:
    """hh phi_{i+1}(hh) by quadrature of its integral."""
    return float(integral(lambda u: hh * np.exp((1 - u) * hh) * u**i / factorial(i), 0.0, 1.0))


def sde_2m(denoise: Denoise, x: np.ndarray, ks: np.ndarray, zs: np.ndarray) -> np.ndarray:
    """SDE-DPM-Solver++(2M) of Lu et al. 2022, arXiv:2211.01095, as released
    ("midpoint").
    """
    out, answers = [], []
    for i, (k, end) in enumerate(pairwise(ks)):
        answers.append(data(denoise, x, k))
        h = end - k
        more = 0.5 * (answers[-1] - answers[-2]) / ((k - ks[i - 1]) / h) if i else 0 * x
        x = sigma(end) / sigma(k) * np.exp(-h) * x + alpha(end) * (1 - np.exp(-2 * h)) * (
            answers[-1] + more
        )
        x = x + sigma(end) * np.sqrt(1 - np.exp(-2 * h)) * zs[i]
        out.append(x)
    return np.array(out)


def sde_2s(denoise: Denoise, x: np.ndarray, ks: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """SDE-DPM-Solver++(2S), r = 1/2, its noises integrated along one Brownian path.

    The noise of a stage from k to q is sigma_q e^-q int_k^q sqrt(2) e^u dW(u); `pieces` (N,
    2, *x.shape) are the integrals over the two halves of every step, in units of their standard
    deviations.
    """
    out = []
    for k, end, (first, second) in zip(ks[:-1], ks[1:], pieces, strict=True):
        middle, x0 = (k + end) / 2, data(denoise, x, k)
        over_first, over_second = first * _path_std(k, middle), second * _path_std(middle, end)
        u = _sde_mean(x, x0, k, middle) + sigma(middle) * np.exp(-middle) * over_first
        held = data(denoise, u, middle)
        x = _sde_mean(x, held, k, end) + sigma(end) * np.exp(-end) * (over_first + over_second)
        out.append(x)
    return np.array(out)


def _path_std(k: float, end: float) -> float:
    """The standard deviation of int sqrt(2) e^u dW(u) from k to end."""
    return float(np.sqrt(np.exp(2 * end) - np.exp(2 * k)))


def _sde_mean(x: np.ndarray, x0: np.ndarray, k: float, end: float) -> np.ndarray:
    h = end - k
    return sigma(end) / sigma(k) * np.exp(-h) * x + alpha(end) * (1 - np.exp(-2 * h)) * x0
