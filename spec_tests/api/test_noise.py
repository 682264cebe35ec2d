"""The cheap generator: a standard normal, independent over entries and over steps. Fixed keys,
exact quantiles at 1e-9.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from diffx.noise import hashed_normal
from spec_tests.instrument.close import close

N, KEYS, LEVEL = (
    1 << 14,
    8,
    1e-9,
)  # a fair generator fails a test here once in 1e9 choices of the key


@jax.jit
def draw(key, x):
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(KEYS))
    return jax.vmap(hashed_normal, (0, None))(keys, x)


@pytest.fixture(params=["float32", "float64"])
def z(request):
    return np.asarray(draw(jax.random.key(7), jnp.zeros((N // 2, 2), request.param)))


def inside(value, law):
    assert law.ppf(LEVEL / 2) <= value <= law.isf(LEVEL / 2)


def test_hashed_noise_is_standard_normal(z):
    flat = np.sort(z.ravel().astype(np.float64))
    assert stats.kstest(flat, "norm").pvalue > LEVEL
    inside(flat.sum() / np.sqrt(flat.size), stats.norm())
    inside((flat**2).sum(), stats.chi2(flat.size))
    for tail in (3.0, 4.0):
        inside((np.abs(flat) > tail).sum(), stats.binom(flat.size, 2 * stats.norm.sf(tail)))
    assert np.all(np.isfinite(flat)) and 3.5 < flat.max() < 6.0


def test_hashed_noise_is_independent_over_entries_and_steps(z):
    rows = z.reshape(KEYS, -1).astype(np.float64)
    n = rows.shape[1]
    for pair in [
        (rows[0], rows[1]),
        (rows[0], np.roll(rows[0], 1)),
        (rows[2, ::2], rows[2, 1::2]),
        (rows[0] ** 2, rows[1] ** 2),
    ]:
        correlation = stats.pearsonr(*pair)[0]
        # quantiles of a correlation at large n
        inside(correlation * np.sqrt(len(pair[0])), stats.norm())
    # no step repeats another's stream
    assert len(np.unique(rows[:, : n // 8])) > 0.99 * rows[:, : n // 8].size


def test_hashed_bits_are_uniform_over_pairs(z):
    """Cells of neighbouring entries on a 16 x 16 grid of equal probability."""
    u = np.minimum((stats.norm.cdf(z[0].astype(np.float64)) * 16).astype(int), 15)
    counts = np.bincount(u[:, 0] * 16 + u[:, 1], minlength=256)
    inside(((counts - counts.mean()) ** 2 / counts.mean()).sum(), stats.chi2(255))


def test_hashed_noise_follows_its_key_and_shape():
    x = jnp.zeros((4, 3), jnp.float32)
    first, again, other = (hashed_normal(jax.random.key(k), x) for k in (0, 0, 1))
    assert np.array_equal(first, again) and not np.any(np.asarray(first) == np.asarray(other))
    assert np.array_equal(
        first, hashed_normal(jax.random.key(0), jnp.zeros(12, jnp.float32)).reshape(4, 3)
    )
    assert hashed_normal(jax.random.key(0), x.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_hashed_noise_lowers_for_every_device(platform):
    key = jax.eval_shape(lambda: jax.random.key(0))
    jax.export.export(jax.jit(hashed_normal), platforms=[platform])(
        key, jax.ShapeDtypeStruct((8, 2), jnp.float32)
    )


def mixed(h):
    """The function lowbias32 as its author prints it, in C's arithmetic of 32 bits."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = (h ^ (h >> shift)) * factor % 2**32
    return h ^ (h >> 16)


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 24), ("float64", 52)])
def test_hashed_noise_is_the_documented_function_of_its_key(dtype, bits):
    """In numpy's integers and scipy's quantiles: entry i of a key's stream, on a grid of 2^bits
    equal cells.

    Among 2^14 entries some lie near |z| = 4, where half a cell of float32 moves z by 1e-4.
    """
    key = jax.random.fold_in(jax.random.key(11), 3)  # both of its words differ from 0
    words = np.asarray(jax.random.key_data(key), np.uint64)
    high = mixed(mixed((0x9E3779B9 * np.arange(N, dtype=np.uint64) + words[0]) % 2**32) ^ words[1])
    low = mixed((high + 0x9E3779B9) % 2**32)
    cell = high >> 8 if bits == 24 else (high >> 6) * 2**26 + (low >> 6)
    # the quantile of a small probability keeps its digits
    mirrored = np.minimum(cell, 2**bits - 1 - cell)
    quantile = stats.norm.ppf((mirrored.astype(np.float64) + 0.5) / 2**bits)
    wanted = np.where(mirrored == cell, quantile, -quantile)
    found = hashed_normal(key, jnp.zeros((N // 4, 4), dtype)).ravel()
    ulps = 64 if bits == 24 else 512
    close(
        found,
        wanted,
        ulps=ulps,
        scale=4.0,
        why="erfinv's rational fit of log1p(-u^2): in float64 247 ulps at |z| = 4.2",
    )
