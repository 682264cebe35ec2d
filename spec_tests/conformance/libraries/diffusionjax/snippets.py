"""Ten lines that show each failure with diffusionjax alone."""

ANNEALED = """
import jax, jax.numpy as jnp, numpy as np
from diffusionjax import sde, solvers
x = jax.random.normal(jax.random.key(0), (1, 100000, 2))  # N(0, 1), which Langevin with the score -x must keep
corrector = solvers.Annealed(sde.VP().reverse(lambda x, t: -x), snr=0.2)
update = jax.vmap(lambda key, x: corrector.update(key, x, jnp.full(100000, 0.01))[0], axis_name="batch")
for k in range(30):
    x = update(jax.random.split(jax.random.key(k), 1), x)
print(np.var(x))  # 1 + O(snr^2) with noise sqrt(2 dt); the noise here is 2 dt
"""

CHURN = """
import jax, jax.numpy as jnp, numpy as np
from diffusionjax import solvers, utils
gamma = utils.get_karras_gamma_function(10, 4.0, 0.0, float("inf"))
solver = solvers.EDMEuler(lambda x, sigma: 0 * x, gamma=gamma, ts=jnp.linspace(0.0, 1.0, 10).reshape(-1, 1))
x = 80.0 * jax.random.normal(jax.random.key(0), (100000, 1))  # all data at 0: each step must end at deviation sigma_prev
x, _ = solver.update(jax.random.key(1), x, jnp.ones(100000))
print(np.std(x), solver.discrete_sigmas[-2])
"""

HEUN = """
import jax, jax.numpy as jnp
from diffusionjax import solvers
solver = solvers.EDMHeun(lambda x, sigma: 0 * x, ts=jnp.linspace(0.0, 1.0, 10).reshape(-1, 1))
x = jnp.full((1, 1), 80.0)  # all data at 0: x must stay at sigma
x, _ = solver.update(jax.random.key(0), x, jnp.ones(1))
print(x, solver.discrete_sigmas[-2])
"""

COMPILED = """
import jax, jax.numpy as jnp
from diffusionjax import solvers, utils
ts, _ = utils.get_times(10, t0=0.0)
solver = solvers.EDMEuler(lambda x, sigma: 0 * x, ts=ts)
utils.get_sampler((5, 2), solver)(jax.random.key(0))
"""

COSINE = """
from diffusionjax import utils
beta, _ = utils.get_cosine_beta_function(beta_max=20.0)
beta(0.5)
"""


def of(name: str) -> str:
    """The text for a target, empty where none is needed."""
    texts = {
        "Annealed": ANNEALED,
        "EDMHeun": HEUN,
        "s_churn": CHURN,
        "get_sampler": COMPILED,
        "cosine": COSINE,
    }
    return next((text for part, text in texts.items() if part in name), "")
