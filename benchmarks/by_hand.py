"""What one writes by hand in JAX: `plain`, the formulas in one lax.scan; `best`, tuned until
nothing more was found.

best: two long vectors instead of rows of two, the coefficients of all steps computed before the
loop and carried in one vector, a mixture by one exp for each point and component and one matrix
product over the components.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from benchmarks.problem import LAWS, START


def vp(t):
    b = t * (0.1 + 19.9 * t / 2)
    return jnp.exp(-b / 2), jnp.sqrt(-jnp.expm1(-b))


def straight(t):
    return 1 - t, t


def edm(t):
    return jnp.ones_like(t), 80 * t


# --- plain --------------------------------------------------------------------------------------


def plain_field(law, x, a, s):
    spread = a**2 * law.values + s**2
    gain = jnp.einsum("kij,kj,klj->kil", law.vectors, a * law.values / spread, law.vectors)
    off = x - a * law.means[:, None]
    parts = law.means[:, None] + jnp.einsum("kni,kij->knj", off, gain)
    white = jnp.einsum("kni,kij->knj", off, law.vectors) / jnp.sqrt(spread)[:, None]
    logs = (jnp.log(law.weights) - jnp.log(spread).sum(-1) / 2)[:, None] - (white**2).sum(-1) / 2
    return parts[0] if len(law.means) == 1 else (jax.nn.softmax(logs, 0)[..., None] * parts).sum(0)


@partial(jax.jit, static_argnames=("method", "levels"))
def plain(method, levels, law, x, ts, key):
    def body(x, times):
        i, t, s = times
        at, then = levels(t), levels(s)
        z = (
            jax.random.normal(jax.random.fold_in(key, i), x.shape)
            if method is ddpm_update
            else None
        )
        return method(partial(plain_field, law), x, t, s, *at, *then, z), None

    return lax.scan(body, x, (jnp.arange(len(ts) - 1), ts[:-1], ts[1:]))[0]


def ddim_update(field, x, t, s, a, sigma, a_s, sigma_s, z):
    x0 = field(x, a, sigma)
    return a_s * x0 + sigma_s / sigma * (x - a * x0)


def ddpm_update(field, x, t, s, a, sigma, a_s, sigma_s, z):
    x0 = field(x, a, sigma)
    fresh = 1 - (a / a_s * sigma_s / sigma) ** 2
    return a / a_s * (sigma_s / sigma) ** 2 * x + a_s * fresh * x0 + sigma_s * jnp.sqrt(fresh) * z


def heun_update(field, x, t, s, a, sigma, a_s, sigma_s, z):
    d = (x - field(x, a, sigma)) / sigma
    end = x + (sigma_s - sigma) * d
    there = jnp.where(sigma_s == 0, sigma, sigma_s)
    ahead = (end - field(end, a_s, there)) / there
    return jnp.where(sigma_s == 0, end, x + (sigma_s - sigma) * (d + ahead) / 2)


def flow_update(field, x, t, s, a, sigma, a_s, sigma_s, z):
    return x + (s - t) * (x - field(x, a, sigma)) / t


def vp_flow_and_divergence(law, x, t):
    """-(beta/2)(x + score) and its divergence, by two forward derivatives: what ODE solvers are
    given; regular at t = 0.
    """
    a, s = vp(t)
    rate = (0.1 + 19.9 * t) / 2

    def flow(x):
        spread = a**2 * law.values + s**2
        inverse = jnp.einsum("kij,kj,klj->kil", law.vectors, 1 / spread, law.vectors)
        off = [x[:, j] - (a * law.means[:, j])[:, None] for j in range(2)]
        pull = [inverse[:, i, 0, None] * off[0] + inverse[:, i, 1, None] * off[1] for i in range(2)]
        logs = (jnp.log(law.weights) - jnp.log(spread).sum(-1) / 2)[:, None] - (
            off[0] * pull[0] + off[1] * pull[1]
        ) / 2
        shares = jax.nn.softmax(logs, 0)
        return jnp.stack([-rate * (x[:, i] - (shares * pull[i]).sum(0)) for i in range(2)], -1)

    value, push = jax.linearize(flow, x)
    return value, sum(push(jnp.zeros_like(x).at[:, j].set(1))[:, j] for j in range(2))


# --- best ---------------------------------------------------------------------------------------


def _coefficients(law, a, s):
    """D_k = A_k x + b_k, the whitening W_k with its offset and the log-determinants, of one noise
    level.
    """
    spread = a**2 * law.values + s**2
    matrix = lambda f: jnp.einsum("kij,kj,klj->kil", law.vectors, f, law.vectors)
    of_x, offset = (
        matrix(a * law.values / spread),
        jnp.einsum("kij,kj->ki", matrix(s**2 / spread), law.means),
    )
    if len(law.means) == 1:
        return of_x[0], offset[0]
    logs = jnp.log(law.weights) - jnp.log(spread).sum(-1) / 2
    table = jnp.concatenate([jnp.ones_like(offset[:, :1]), offset, of_x.reshape(-1, 4)], 1)
    return matrix(1 / jnp.sqrt(spread)), a * law.means, logs, table


def _field(c, u):
    """D of the two coordinates u (2, n)."""
    long = lambda v: v[:, None]
    if len(c) == 2:
        of_x, offset = c
        return long(of_x[:, 0]) * u[0] + long(of_x[:, 1]) * u[1] + long(offset)
    whiten, centres, logs, table = c
    off = [u[j] - long(centres[:, j]) for j in range(2)]
    white = [long(whiten[:, i, 0]) * off[0] + long(whiten[:, i, 1]) * off[1] for i in range(2)]
    exponents = long(logs) - (white[0] ** 2 + white[1] ** 2) / 2
    q = jnp.dot(table.T, jnp.exp(exponents - exponents.max(0)), precision="highest")
    return jnp.stack(
        [(q[1 + i] + q[3 + 2 * i] * u[0] + q[4 + 2 * i] * u[1]) / q[0] for i in range(2)]
    )


@partial(jax.jit, static_argnames=("update", "levels", "normal"))
def best(update, levels, law, x, ts, key, normal=None):
    t, s = ts[:-1], ts[1:]
    (a, sigma), (a_s, sigma_s) = levels(t), levels(s)
    coefficients = jax.vmap(partial(_coefficients, law))
    there = jnp.where(sigma_s == 0, sigma, sigma_s)
    packed = [
        coefficients(a, sigma),
        coefficients(a_s, there) if update is heun_best else (),
        PREPARE[update](t, s, a, sigma, a_s, sigma_s),
    ]
    unpack = ravel_pytree(jax.tree.map(lambda v: v[0], packed))[1]
    rows = jax.vmap(lambda v: ravel_pytree(v)[0])(packed)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(t)))

    def body(carry, ahead):
        u, now = carry
        following, key = ahead
        z = None if normal is None else normal(key, u.T).T
        return (update(u, *unpack(lax.optimization_barrier(now)), z), following), None

    ((u, _), _) = lax.scan(body, (x.T, rows[0]), (jnp.roll(rows, -1, 0), keys))
    return u.T


def ddim_best(u, c, _, k, z):
    x0 = _field(c, u)
    return k[0] * x0 + k[1] * u


def ddpm_best(u, c, _, k, z):
    x0 = _field(c, u)
    return k[0] * u + k[1] * x0 + k[2] * z


def heun_best(u, c, c_s, k, z):
    d = (u - _field(c, u)) * k[0]
    end = u + k[1] * d
    return jnp.where(k[3] == 0, end, u + k[1] / 2 * (d + (end - _field(c_s, end)) * k[2]))


def flow_best(u, c, _, k, z):
    return u + k[0] * (u - _field(c, u))


def _ddim_numbers(t, s, a, sigma, a_s, sigma_s):
    r = sigma_s / sigma
    return jnp.stack([a_s - r * a, r], 1)


def _ddpm_numbers(t, s, a, sigma, a_s, sigma_s):
    fresh = 1 - (a / a_s * sigma_s / sigma) ** 2
    return jnp.stack([a / a_s * (sigma_s / sigma) ** 2, a_s * fresh, sigma_s * jnp.sqrt(fresh)], 1)


def _heun_numbers(t, s, a, sigma, a_s, sigma_s):
    return jnp.stack(
        [1 / sigma, sigma_s - sigma, 1 / jnp.where(sigma_s == 0, sigma, sigma_s), sigma_s], 1
    )


def _flow_numbers(t, s, a, sigma, a_s, sigma_s):
    return ((s - t) / t)[:, None]


PREPARE = {
    ddim_best: _ddim_numbers,
    ddpm_best: _ddpm_numbers,
    heun_best: _heun_numbers,
    flow_best: _flow_numbers,
}
PLAIN = {
    "ddim": (ddim_update, vp),
    "ddpm": (ddpm_update, vp),
    "heun": (heun_update, edm),
    "flow": (flow_update, straight),
}
BEST = {
    "ddim": (ddim_best, vp),
    "ddpm": (ddpm_best, vp),
    "heun": (heun_best, edm),
    "flow": (flow_best, straight),
}


def run_plain(method, law, ts, key):
    update, levels = PLAIN[method]
    return lambda: plain(update, levels, *_arguments(method, law, ts, key)).block_until_ready()


def run_best(method, law, ts, key, normal=None):
    update, levels = BEST[method]
    return lambda: best(
        update, levels, *_arguments(method, law, ts, key), normal=normal
    ).block_until_ready()


def _arguments(method, law, ts, key):
    data = jax.tree.map(jnp.asarray, LAWS[law])
    return data, jnp.asarray(START * np.float32(80 if method == "heun" else 1)), ts, key
