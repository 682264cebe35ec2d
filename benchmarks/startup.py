"""A fresh process: `import diffx`, then a first sample of 50 steps, compilation included."""

import subprocess
import sys

from benchmarks.timing import Row

PROGRAM = """
import time; begin = time.perf_counter()
import jax, jax.numpy as jnp, diffx
imported = time.perf_counter()
process = diffx.VP(); law = diffx.GaussianLaw(jnp.zeros(2), jnp.eye(2))
sampler = diffx.ddim(process, diffx.denoiser(process, law))
diffx.sample(sampler, None, jnp.ones((4096, 2)), diffx.uniform(50))[0].block_until_ready()
print(imported - begin, time.perf_counter() - begin)
"""


def startup(runs=5):
    times = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
        )
        times.append([1e3 * float(word) for word in done.stdout.split()])
    for name, taken in zip(
        ("import diffx", "import diffx and a first sample"), zip(*times, strict=True), strict=True
    ):
        taken = sorted(taken)
        yield Row(
            "fresh process",
            name,
            taken[0],
            taken[len(taken) // 2],
            taken[0] / min(t[1] for t in times),
            0.0,
            runs,
        )
