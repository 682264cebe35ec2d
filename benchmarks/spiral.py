"""W3: training the lecture's spiral network: 100 points a step, MLP 16-128-128-128-128-16, AdamW
1e-3.

Both sides draw levels log-uniform in 0.01 .. 10 and noise anew at every step, and minimise |eps -
predicted|^2. The outputs that must agree are the losses of the last steps: both networks learn the
same thing to the same degree.
"""
# pyright: reportMissingImports=false

from contextlib import suppress

import numpy as np

from benchmarks.timing import Entry, interleaved

STEPS, LOSS_WITHIN = 500, 0.25


def _diffx():
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from jax.tree_util import Partial

    from diffx.data import spiral as points_of
    from diffx.nn import TimeMLP
    from diffx.training import train

    network, params = nnx.split(TimeMLP(dim=2, rngs=nnx.Rngs(0)))

    def loss(points, params, key):
        levels, noise = jax.random.split(key)
        sigma = jnp.exp(
            jax.random.uniform(levels, (len(points),), minval=np.log(0.01), maxval=np.log(10.0))
        )
        eps = jax.random.normal(noise, points.shape)
        predicted = jax.vmap(nnx.merge(network, params))(points + sigma[:, None] * eps, sigma)
        return ((eps - predicted) ** 2).mean()

    bound = Partial(loss, jnp.asarray(points_of(100), jnp.float32))
    optimizer = optax.adamw(1e-3, weight_decay=1e-2)  # torch's default decay
    return lambda: (
        train(bound, params, optimizer, steps=STEPS, key=jax.random.key(0), progress=False).losses
    )


def _smalldiffusion():
    import torch
    from smalldiffusion import ScheduleLogLinear, Swissroll, TimeInputMLP, training_loop
    from torch.utils.data import DataLoader

    import benchmarks.torch_fields  # noqa: F401  (it fixes torch's threads)

    # its example: one batch of all 100
    loader = DataLoader(Swissroll(np.pi / 2, 5 * np.pi, 100), batch_size=2048)
    schedule = ScheduleLogLinear(N=200, sigma_min=0.01, sigma_max=10)

    class Cpu:
        device = torch.device("cpu")
        prepare = staticmethod(lambda *things: things)
        backward = staticmethod(lambda loss: loss.backward())

    def run():
        torch.manual_seed(0)
        model = TimeInputMLP(hidden_dims=(16, 128, 128, 128, 128, 16))
        steps = training_loop(loader, model, schedule, accelerator=Cpu(), epochs=STEPS, lr=1e-3)
        return np.array([step.loss.item() for step in steps])

    return run


def _last(losses):
    return np.asarray(losses)[-100:].mean(keepdims=True)


def _relative(a, b):
    return float(abs(a / b - 1).max())


def spiral(seconds=40.0):
    entries = [Entry("diffx", _diffx(), _last)]
    with suppress(ImportError):
        entries.append(Entry("smalldiffusion", _smalldiffusion(), _last))
    yield from interleaved(
        f"spiral, {STEPS} training steps", entries, LOSS_WITHIN, _relative, seconds
    )
