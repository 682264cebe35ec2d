"""Contrastive losses on an accelerator, by hand: `python -m benchmarks.contrastive_device`, a table
on stdout.

Value and all gradients of random embeddings, D = 512, float32 inputs; medians; beside the dense
torch form that open_clip uses where torch finds the device. The errors are those of the gradients
against `highest` precision (2-norm, relative).
"""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffx

D, SCALE = 512, 1 / 0.07


def embeddings(n: int, place: Any = None) -> tuple:
    draw = jax.jit(
        lambda key: tuple(jax.random.normal(k, (n, D), jnp.float32) for k in jax.random.split(key)),
        out_shardings=place,
    )
    return (*draw(jax.random.key(0)), jnp.float32(np.log(SCALE)))


def median(call: Any, repeats: int) -> float:
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def ours(name: str, loss: Any, n: int, precision: str, repeats: int, place: Any = None) -> Any:
    arguments = embeddings(n, place)
    with jax.default_matmul_precision(precision):
        compiled = jax.jit(jax.value_and_grad(loss, (0, 1, 2))).lower(*arguments).compile()
    memory: Any = compiled.memory_analysis()
    total = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    seconds = median(lambda: compiled(*arguments), repeats)
    print(
        f"{name:22s} N {n:>9,} {precision:17s} {1e3 * seconds:9.1f} ms {total / 1e9:7.2f} GB a "
        "device",
        flush=True,
    )
    return compiled(*arguments)


def torch_dense(n: int, tf32: bool) -> None:
    """open_clip's ClipLoss on one device: src/open_clip/loss.py, normalised features, two tables,
    two cross-entropies.
    """
    import torch  # type: ignore[import-not-found]
    import torch.nn.functional as F  # type: ignore[import-not-found]

    torch.backends.cuda.matmul.allow_tf32 = tf32
    x, y = (torch.randn(n, D, device="cuda", requires_grad=True) for _ in range(2))
    log_scale = torch.tensor(float(np.log(SCALE)), device="cuda", requires_grad=True)
    labels = torch.arange(n, device="cuda")

    def call() -> None:
        a, b = F.normalize(x, dim=-1), F.normalize(y, dim=-1)
        loss = (
            F.cross_entropy(log_scale.exp() * a @ b.T, labels)
            + F.cross_entropy(log_scale.exp() * b @ a.T, labels)
        ) / 2
        torch.autograd.grad(loss, (x, y, log_scale))
        torch.cuda.synchronize()

    torch.cuda.reset_peak_memory_stats()
    seconds, peak = median(call, 5), torch.cuda.max_memory_allocated()
    print(
        f"{'torch, dense':22s} N {n:>9,} {'TF32' if tf32 else 'float32':17s} {1e3 * seconds:9.1f} "
        f"ms {peak / 1e9:7.2f} GB"
    )


def gap(found: Any, wanted: Any) -> str:
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)
    return "loss, images, texts, log_scale: " + " ".join(
        f"{float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)):.1e}" for a, b in pairs
    )


def dense(x: Any, y: Any, l: Any) -> Any:
    return diffx.clip_loss(x, y, log_scale=l)


def tiled(tile: int) -> Any:
    return lambda x, y, l: diffx.contrast.tiled_clip_loss(x, y, log_scale=l, tile=tile)


def one_device() -> None:
    reference = ours("dense", dense, 8192, "highest", 10)
    for precision in ("highest", "TF32_TF32_F32_X3", "tensorfloat32"):
        print(
            "   against dense",
            gap(ours("tiled, 8192", tiled(8192), 8192, precision, 10), reference),
        )
    ours("dense", dense, 8192, "tensorfloat32", 10)
    for precision in ("highest", "tensorfloat32"):
        reference = ours("dense", dense, 32768, precision, 5)
        print(
            "   against dense",
            gap(ours("tiled, 8192", tiled(8192), 32768, precision, 5), reference),
        )
        ours("tiled, 8192", tiled(8192), 65536, precision, 5)
    ours("tiled, 16384", tiled(16384), 262144, "tensorfloat32", 3)
    for n in (8192, 32768, 65536):
        for tf32 in (False, True):
            torch_dense(n, tf32)


def several_devices(mesh: Any, sizes: tuple = (65536, 262144, 1048576)) -> None:
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    loss = lambda x, y, l, tile: diffx.contrast.sharded_clip_loss(
        x, y, log_scale=l, axis_name="data", mesh=mesh, tile=tile
    )
    for n in sizes:
        tile = min(16384, n // mesh.size)
        found = ours(
            f"sharded over {mesh.size}", partial(loss, tile=tile), n, "tensorfloat32", 2, place
        )
        if n == 65536:
            print(
                "   against tiled",
                gap(found, ours("tiled, 8192", tiled(8192), n, "tensorfloat32", 3)),
            )


if __name__ == "__main__":
    print(jax.__version__, jax.devices())
    if jax.device_count() == 1:
        one_device()
    else:
        several_devices(jax.make_mesh((jax.device_count(),), ("data",)))
