"""Matrix roots and products beneath the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from diffx._linalg import contract, polar, rows_times, sqrtm
from spec_tests.instrument.close import close
from spec_tests.support import strategies as st_
from spec_tests.support.laws import REPEATED, SQUARE, over_dtypes


@over_dtypes
@pytest.mark.parametrize(
    "matrix", [REPEATED, np.eye(4), SQUARE @ SQUARE.T], ids=["repeated", "identity", "drawn"]
)
def test_sqrtm_and_its_derivative_are_those_of_scipy(matrix, dtype):
    """dR solves Sylvester's equation R dR + dR R = dA: finite for repeated eigenvalues."""
    matrix = (matrix + matrix.T) / 2
    change = SQUARE + SQUARE.T
    root = np.real(scipy.linalg.sqrtm(matrix))
    exact = scipy.linalg.solve_sylvester(root, root, change)
    worst = 1 / np.linalg.eigvalsh(root).min()
    found, slope = jax.jit(lambda a, da: jax.jvp(sqrtm, (a,), (da,)))(
        jnp.asarray(matrix, dtype), jnp.asarray(change, dtype)
    )
    size = np.abs(matrix).max()
    close(found, root, ulps=16, scale=size * worst, why="eigenvalues wrong by ulps of the largest")
    close(
        slope,
        exact,
        ulps=32,
        scale=np.abs(change).max() * worst * (1 + size * worst**2),
        why="divided by two roots",
    )
    close(
        sqrtm(jnp.asarray(matrix, dtype)),
        root,
        ulps=16,
        scale=size * worst,
        why="the value without its derivative",
    )


@over_dtypes
@pytest.mark.parametrize(
    "matrix", [np.eye(4), SQUARE, st_.rotation(8, 4) * 2], ids=["identity", "drawn", "rotation"]
)
def test_polar_factor_and_its_derivative_are_those_of_scipy(matrix, dtype):
    """M = U H: dU = U W, W skew with W H + H W = U' dM - dM' U."""
    change = np.random.default_rng(7).standard_normal((4, 4))
    factor, stretch = scipy.linalg.polar(matrix)
    pulled = factor.T @ change
    exact = factor @ scipy.linalg.solve_sylvester(stretch, stretch, pulled - pulled.T)
    worst = 1 / np.linalg.svd(matrix)[1].min()
    found, slope = jax.jit(lambda m, dm: jax.jvp(polar, (m,), (dm,)))(
        jnp.asarray(matrix, dtype), jnp.asarray(change, dtype)
    )
    size = np.abs(matrix).max()
    close(found, factor, ulps=16, scale=1 + size * worst, why="divided by the least singular value")
    close(
        slope,
        exact,
        ulps=32,
        scale=np.abs(change).max() * worst * (1 + size * worst),
        why="divided by it again",
    )
    close(
        polar(jnp.asarray(matrix, dtype)),
        factor,
        ulps=16,
        scale=1 + size * worst,
        why="the value alone",
    )


# --- contraction --------------------------------------------------------------------------------


@over_dtypes
@pytest.mark.parametrize("rows", [1, 2, 4, 5, 7])
def test_rows_times_is_a_matrix_product(rows, dtype):
    rng = np.random.default_rng(rows)
    x, m = rng.standard_normal((3, 2, rows)), rng.standard_normal((rows, 6))
    found = rows_times(jnp.asarray(x, dtype), jnp.asarray(m, dtype))
    close(found, x @ m, ulps=8, scale=np.abs(x) @ np.abs(m), why="a sum of products")


def test_up_to_four_rows_are_summed_and_more_are_a_matrix_product():
    for rows, products in ((4, 0), (5, 1)):
        program = str(jax.make_jaxpr(rows_times)(jnp.ones((3, rows)), jnp.ones((rows, 2))))
        assert program.count("dot_general") == products


def test_contractions_ask_for_full_precision_unless_the_caller_chose():
    program = lambda: str(jax.make_jaxpr(lambda a: contract("ij,jk->ik", a, a))(jnp.ones((2, 2))))
    assert "HIGHEST" in program()
    with jax.default_matmul_precision("bfloat16"):
        assert "HIGHEST" not in program()
