r"""Training of the dual encoder: python -m diffx.nn.recipe --out FILE.

On a CPU a pool of pictures is drawn once and a small network is trained on it; on an accelerator
every step draws new scenes and new captions from its key. The report at the end is about held-out
combinations.
"""

import argparse
import datetime
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.tree_util import Partial
from jaxtyping import Array

import diffx
from diffx import _arguments
from diffx.data.world.captions import caption
from diffx.data.world.drawings import DRAWINGS, Drawings, cap_in_corner
from diffx.data.world.rendering import render
from diffx.data.world.sample import sample_scene
from diffx.data.world.words import LENGTH, VOCABULARY
from diffx.nn.encoders import DualEncoder
from diffx.nn.report import report
from diffx.nn.weights import pin, save_weights
from diffx.training import train

# 0.15 s a step of 256 on two cores, the large one 1.5 s
SMALL = {"patch": 8, "image_width": 192, "image_layers": 1, "text_width": 96, "text_layers": 1}
LARGE = {"patch": 4, "image_width": 256, "image_layers": 4, "text_width": 192, "text_layers": 2}
CONTROLS = ("none", "corner", "shuffled")
# scenes of a pool, and how many of them are drawn in one compiled call: 13 MB of pictures
POOL, DRAWN = (8_192, 1_024)


class Pool(NamedTuple):
    """n scenes, and their pictures (n, 32, 32, 3), float32 in [-1, 1]."""

    scenes: Any
    images: Array


def drawings(control: str) -> Drawings:
    """The drawing tables; the control `corner` draws every cap in a corner and not on the head."""
    return cap_in_corner() if control == "corner" else DRAWINGS


def scenes(key: Array, n: int) -> Any:
    """n scenes of the training split."""
    return jax.vmap(partial(sample_scene, split="train"))(jax.random.split(key, n))


@partial(jax.jit, static_argnames=("n", "control"))
def draw_scenes(key: Array, n: int, control: str) -> Pool:
    new = scenes(key, n)
    return Pool(new, jax.vmap(partial(render, drawings=drawings(control)))(new))


def make_pool(key: Array, n: int, control: str) -> Pool:
    """n scenes and pictures, drawn in equal parts so that one compiled call serves all."""
    parts = [draw_scenes(part, DRAWN, control) for part in jax.random.split(key, -(-n // DRAWN))]
    return jax.tree_util.tree_map(lambda *leaves: jnp.concatenate(leaves), *parts)


def pick(pool: Pool, key: Array, n: int) -> Pool:
    """n different scenes of the pool."""
    chosen = jax.random.permutation(key, len(pool.images))[:n]
    return jax.tree_util.tree_map(lambda leaf: leaf[chosen], pool)


def batch_of(
    pool: Pool | None, n: int, captions: int, control: str, key: Array
) -> tuple[Array, Array]:
    """n pictures (n, 32, 32, 3) and captions (captions, n, L): new, or from the pool."""
    for_scenes, for_words, for_control = jax.random.split(key, 3)
    shown = draw_scenes(for_scenes, n, control) if pool is None else pick(pool, for_scenes, n)
    words = jax.vmap(jax.vmap(caption), (0, None))(
        jax.random.split(for_words, (captions, n)), shown.scenes
    )
    return shown.images, jax.random.permutation(
        for_control, words, axis=1
    ) if control == "shuffled" else words


def equal_rows(tokens: Array) -> Array:
    """(n, n) booleans: which captions are equal, word for word."""
    return (tokens[:, None] == tokens[None]).all(-1)


def loss(
    graph: Any, n: int, captions: int, control: str, pool: Pool | None, params: Any, key: Array
) -> Array:
    """Symmetric InfoNCE of n pictures, those with equal captions being partners, averaged over
    captions.
    """
    images, words = batch_of(pool, n, captions, control, key)
    encoder = nnx.merge(graph, params)
    seen, read = (
        encoder.encode_image(images),
        encoder.encode_text(words.reshape(-1, words.shape[-1])),
    )
    one = lambda texts, tokens: diffx.clip_loss(
        seen, texts, log_scale=encoder.log_scale[...], positives=equal_rows(tokens)
    )
    return jax.vmap(one)(read.reshape(captions, n, -1), words).mean()


def clamp(params: Any) -> Any:
    """A scale of at most 100 after each step, as in CLIP (arXiv:2103.00020, section 2.5)."""
    params = jax.tree_util.tree_map(lambda leaf: leaf, params)  # a copy, whose entries may be set
    params["log_scale"] = params["log_scale"].replace(
        diffx.contrast.clamp_log_scale(params["log_scale"][...])
    )
    return params


def optimizer(steps: int, rate: float) -> optax.GradientTransformation:
    """AdamW, a warm-up over 1/20 of the steps, a cosine decay to zero; only matrices decay."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, max(1, steps // 20), steps)
    matrices = lambda params: jax.tree_util.tree_map(lambda leaf: leaf.ndim >= 2, params)
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, b2=0.98, weight_decay=0.02, mask=matrices),
    )


def arguments(words: list[str]) -> argparse.Namespace:
    accelerated = jax.default_backend() != "cpu"
    parser = argparse.ArgumentParser(
        prog="python -m diffx.nn.recipe", description="train the dual encoder on the miniworld"
    )
    parser.add_argument("--out", required=True, help="file of the weights, ending in .safetensors")
    parser.add_argument(
        "--steps", type=int, default=10_000 if accelerated else 1_000, help="of the optimizer"
    )
    parser.add_argument("--batch", type=int, default=2048 if accelerated else 256)
    parser.add_argument(
        "--captions",
        type=int,
        default=3 if accelerated else 1,
        help="of each picture in a step: cheap in the large network",
    )
    parser.add_argument("--rate", type=float, default=1e-3, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--control", choices=CONTROLS, default="none")
    parser.add_argument(
        "--network", choices=("small", "large"), default="large" if accelerated else "small"
    )
    parser.add_argument(
        "--pool",
        type=int,
        default=0 if accelerated else POOL,
        help="scenes drawn once; 0 draws anew each step",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="bfloat16" if accelerated else "float32",
    )
    parser.add_argument("--half", action="store_true", help="write matrices as float16")
    parser.add_argument(
        "--pin", action="store_true", help="write weights.toml beside the file, to ship it"
    )
    return parser.parse_args(words)


def check(chosen: argparse.Namespace) -> argparse.Namespace:
    """Refuse what would otherwise fail after minutes: nowhere to write, a pool smaller than a
    batch.
    """
    folder = Path(chosen.out).absolute().parent
    _arguments.require(
        folder.is_dir(),
        f"--out must lie in a folder that exists, but {folder} does not: create it first",
    )
    large = not chosen.pool or chosen.pool >= chosen.batch
    _arguments.require(
        large,
        f"--pool must hold a batch, got a pool of {chosen.pool} and a batch of {chosen.batch}",
    )
    return chosen


def fit(chosen: argparse.Namespace) -> tuple[DualEncoder, dict[str, Any]]:
    """The trained encoder, with the number of steps, the seconds and the final loss."""
    for_pool, for_steps = jax.random.split(jax.random.key(chosen.seed))
    sizes = (SMALL if chosen.network == "small" else LARGE) | {
        "length": LENGTH,
        "dtype": jnp.dtype(chosen.precision),
    }
    graph, params = nnx.split(DualEncoder(len(VOCABULARY), **sizes, rngs=nnx.Rngs(chosen.seed)))
    pool = make_pool(for_pool, chosen.pool, chosen.control) if chosen.pool else None
    of_batch = Partial(partial(loss, graph, chosen.batch, chosen.captions, chosen.control), pool)
    fit = partial(train, of_batch, params, key=for_steps, project=clamp)
    begun, steps = time.perf_counter(), chosen.steps
    trained = fit(optimizer(steps, chosen.rate), steps=steps)
    seconds = round(time.perf_counter() - begun, 1)
    return nnx.merge(graph, trained.params), {
        "steps": steps,
        "seconds": seconds,
        "loss": float(trained.losses[-20:].mean()),
    }


def main(words: list[str]) -> None:
    chosen = check(arguments(words))
    encoder, facts = fit(chosen)
    made = provenance([Path(word).name if word == chosen.out else word for word in words]) | facts
    keep = partial(save_weights, chosen.out, encoder, vocabulary=VOCABULARY, half=chosen.half)
    keep(provenance=made)  # before the report, lest a mistake there cost the training
    found = report(encoder, partial(render, drawings=drawings(chosen.control)), seed=chosen.seed)
    keep(provenance=made | {"report": found})
    if chosen.pin:
        pin(chosen.out)
    print("\n".join([chosen.out, *(f"{name}: {value}" for name, value in (facts | found).items())]))


def provenance(words: list[str]) -> dict[str, Any]:
    """The facts that a file records about how it was made."""
    return {
        "command": " ".join(["python -m diffx.nn.recipe", *words]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "jax": jax.__version__,
            "optax": optax.__version__,
        },
        "device": jax.devices()[0].device_kind,
        "data": "diffx.data.world, split train: drawn by the code, nothing is taken from elsewhere",
        "licence": "Apache-2.0",
    }


if __name__ == "__main__":
    main(sys.argv[1:])
