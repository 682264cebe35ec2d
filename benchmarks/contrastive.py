"""W5: the CLIP loss with all its gradients, dense and tiled, beside the dense form of open_clip;
D = 512, float32, CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from benchmarks.timing import Entry, interleaved

D, SIZES, TILES = 512, (1024, 4096, 8192), (512, 256, 1024)
TOLERANCE = 5e-5  # of the loss and of each gradient, relative, in the 2-norm; 1e-5 is seen


def pairs(n):
    """Texts that half agree with their images; the scale is CLIP's first."""
    rng = np.random.default_rng(4)
    images, noise = rng.standard_normal((2, n, D), np.float32)
    return images, (images + noise).astype(np.float32), np.float32(np.log(1 / 0.07))


def ours(loss, arguments):
    """A run, and the bytes of its temporaries and results, from the compiled program's own
    account.
    """
    compiled = jax.jit(jax.value_and_grad(loss, (0, 1, 2))).lower(*arguments).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    return lambda: jax.block_until_ready(
        compiled(*arguments)
    ), memory.temp_size_in_bytes + memory.output_size_in_bytes


def all_of_ours(arguments):
    """The first tile comes first, so that every ratio is to it."""
    tiled = lambda tile: (
        lambda x, y, l: diffx.contrast.tiled_clip_loss(x, y, log_scale=l, tile=tile)
    )
    losses = {f"diffx, tile {tile}": tiled(tile) for tile in TILES}
    losses["diffx, dense"] = lambda x, y, l: diffx.clip_loss(x, y, log_scale=l)
    arguments = tuple(jnp.asarray(value) for value in arguments)
    return {name: ours(loss, arguments) for name, loss in losses.items()}


def theirs(arguments):
    try:
        from benchmarks import peer_open_clip
    except ImportError as error:
        if error.name and error.name.startswith(("benchmarks", "diffx")):
            raise
        return {}
    return {
        name: (run, peer_open_clip.peak_bytes(run))
        for name, run in peer_open_clip.entries(*arguments).items()
    }


def leaves(output):
    """The loss and the three gradients as numpy, of either library."""
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tuple(output))]


def largest_gap(found, wanted):
    return max(
        float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(found, wanted, strict=True)
    )


def contrastive(seconds=60):
    for n in SIZES:
        runs = all_of_ours(pairs(n)) | theirs(pairs(n))
        entries = [
            Entry(f"{name} ({size / 2**20:.0f} MiB)", run, leaves)
            for name, (run, size) in runs.items()
        ]
        yield from interleaved(
            f"CLIP loss and gradients, N = {n:,}", entries, TOLERANCE, largest_gap, seconds / 3
        )
