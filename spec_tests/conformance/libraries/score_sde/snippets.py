"""Ten lines that show each failure with score_sde alone, in an environment where its imports
work.
"""

ANCESTRAL = """
import jax, jax.numpy as jnp, numpy as np, sampling, sde_lib
sde = sde_lib.VPSDE(N=10, beta_max=8)
x = jax.random.normal(jax.random.key(0), (100000, 1)) * sde.sqrt_1m_alphas_cumprod[5]  # all data at 0: score -x/variance
step = sampling.AncestralSamplingPredictor(sde, lambda x, t: -x / sde.sqrt_1m_alphas_cumprod[5] ** 2)
x, _ = step.update_fn(jax.random.key(1), x, jnp.full(100000, 5.5 / 9))
print(np.std(x), sde.sqrt_1m_alphas_cumprod[4])  # the deviation after the step, and of the chain there
"""

SUB_VP = """
import jax, jax.numpy as jnp, sampling, sde_lib
corrector = sampling.LangevinCorrector(sde_lib.subVPSDE(), lambda x, t: -x, snr=0.1, n_steps=1)
corrector.update_fn(jax.random.key(0), jnp.ones((2, 2)), jnp.ones(2))
"""


def of(name: str) -> str:
    """The text for a target, empty where none is needed."""
    return (
        ANCESTRAL if "ancestral" in name else SUB_VP if "subVP" in name and " and " in name else ""
    )
