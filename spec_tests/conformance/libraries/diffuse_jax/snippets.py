"""Ten lines that show each failure with diffuse-jax alone."""

FLOW = """
import jax, jax.numpy as jnp
from diffuse.diffusion.sde import Flow
from diffuse.integrator import EulerMaruyamaIntegrator
from diffuse.predictor import Predictor
from diffuse.timer import VpTimer
score = lambda x, t: -x / ((1 - t) ** 2 + t**2)  # data of variance 1
step, predictor = EulerMaruyamaIntegrator(Flow(), VpTimer(1000, 0.01, 0.99)), Predictor(Flow(), score, "score")
start = step.init(jax.random.normal(jax.random.key(0), (10000,)), jax.random.key(1))
print(jax.lax.scan(lambda s, _: (step(s, predictor), None), start, length=1000)[0].position.var(), "wanted 0.98")
"""

EDM = """
import jax.numpy as jnp
from diffuse.diffusion.sde import EDM
from diffuse.predictor import Predictor
x0, eps, t, model = 1.0, 2.0, jnp.asarray(0.25), EDM()
x = x0 + t * eps  # dx/dt = eps along the path; the score given x0 is -eps/t
print(Predictor(model, lambda x, t: -eps / t, "score").velocity(x, t), "wanted", eps)
print(model.sde_coefficients(t)[1] ** 2, "wanted 2 t =", 2 * t)
print(EDM(tf=80.0).noise_level(jnp.asarray(80.0)), "wanted 80")
"""

FLOW_TF = """
import jax.numpy as jnp
from diffuse.diffusion.sde import Flow
from diffuse.predictor import Predictor
x0, eps, t, model = 1.0, 3.0, jnp.asarray(1.0), Flow(tf=2.0)
x = (1 - t / 2) * x0 + t / 2 * eps  # dx/dt = (eps - x0)/2
print(Predictor(model, lambda x, t: -eps / (t / 2), "score").velocity(x, t), "wanted", (eps - x0) / 2)
"""

CHURN = """
import jax, jax.numpy as jnp
from diffuse.diffusion.sde import EDM
from diffuse.integrator import HeunIntegrator
from diffuse.predictor import Predictor
from diffuse.timer import HeunTimer
step = HeunIntegrator(EDM(), HeunTimer(10, sigma_max=0.99), stochastic_churn_rate=4.0, churn_max=10.0)
step(step.init(jnp.ones(2), jax.random.key(0)), Predictor(EDM(), lambda x, t: -x, "score"))
"""

COSINE = """
import jax, jax.numpy as jnp
from diffuse.diffusion.sde import CosineSchedule
beta, t = CosineSchedule(b_min=0.01, b_max=20.0, t0=0.0, T=1.0), 0.96
print(beta(t), "wanted, from its own integral,", jax.grad(lambda t: beta.integrate(t, jnp.zeros(())))(t))
"""

DDIM_TIMER = """
from diffuse.timer.base import DDIMTimer, HeunTimer
ddim, heun = DDIMTimer(n_steps=18, n_time_training=1000), HeunTimer(n_steps=18)
print("HeunTimer", heun(0), heun(17), "DDIMTimer", ddim(0), ddim(17))  # step 0 is where an integrator starts, in the noise
"""


def of(name: str) -> str:
    """The text for a target, empty where none is needed."""
    texts = {"MaruyamaIntegrator(Flow": FLOW, "EDM, churn": CHURN, "EDM": EDM, "cosine": COSINE}
    texts |= {"Flow(tf": FLOW_TF, "DDIMTimer": DDIM_TIMER}
    return next((text for part, text in texts.items() if part in name), "")
