"""Programs that show with swirl_dynamics alone what fails."""

LOG_SNR = """
import numpy as np
from swirl_dynamics.lib.diffusion import diffusion
scheme = diffusion.create_variance_preserving_scheme(diffusion.tangent_noise_schedule())
sigma = scheme.sigma(0.5)
print(scheme.logsnr(0.5), -2 * np.log(sigma), np.exp(-sigma / 2))  # the first equals the last
"""

ANSWER, EXACT = "right: -1.419", "right for a normal of deviation 1 at sigma 1: -1.573"
ODE = """
import jax, jax.numpy as jnp
from swirl_dynamics.lib.diffusion import diffusion, samplers
scheme = diffusion.create_variance_exploding_scheme(diffusion.power_noise_schedule(clip_max=20.0))
times = samplers.edm_noise_decay(scheme, num_steps=200, end_sigma=0.01)
network = lambda x, sigma, cond: x / (1 + sigma**2)  # data N(0, 1)
sampler = samplers.OdeSampler(input_shape=(1,), scheme=scheme, denoise_fn=network, tspan=times)
print(sampler.compute_log_likelihood(jnp.ones((1, 1)), rng=jax.random.key(0)))  # right: -1.419
"""

SMALL = ODE.replace("20.0", "1.0")
EXPONENTIAL = (
    SMALL.replace("OdeSampler", "ExponentialOdeSampler")
    .replace("200", "2000")
    .replace(ANSWER, EXACT)
)
NO_KEY = SMALL.replace(", rng=jax.random.key(0)", "").replace(
    ANSWER, "raises: without probes no key should be needed"
)


def of(name: str) -> str:
    """The text for a target, empty where none is needed."""
    texts = {
        "Exponential": EXPONENTIAL,
        "rng=None": NO_KEY,
        "likelihood": ODE,
        "noise_schedule": LOG_SNR,
    }
    return next((text for part, text in texts.items() if part in name), "")
