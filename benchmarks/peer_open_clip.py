"""open_clip's dense loss in torch, written by hand after its src/open_clip/loss.py (89fb801),
ClipLoss of one process.
"""
# pyright: reportMissingImports=false

import os
from collections.abc import Callable

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports each start to stderr

import numpy as np
import torch
import torch.nn.functional as F

import benchmarks.torch_fields  # noqa: F401  (as many threads as there are cores)

Tables = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def two_products(scale, x, y):
    """As ClipLoss.get_logits has it: the second table is another product."""
    return scale * x @ y.T, scale * y @ x.T


def one_product(scale, x, y):
    """The best one can do by hand: the second table is the first, transposed."""
    scores = scale * x @ y.T
    return scores, scores.T


def entries(images: np.ndarray, texts: np.ndarray, log_scale: np.float32) -> dict[str, Callable]:
    """Each run gives the loss and the gradients by images, texts and log_scale."""
    x, y, scale = (torch.tensor(value, requires_grad=True) for value in (images, texts, log_scale))
    labels = torch.arange(len(images))
    return {
        "open_clip, dense": lambda: value_and_grads(two_products, x, y, scale, labels),
        "torch, dense, one product": lambda: value_and_grads(one_product, x, y, scale, labels),
    }


def value_and_grads(tables: Tables, x, y, log_scale, labels) -> tuple[torch.Tensor, ...]:
    by_image, by_text = tables(log_scale.exp(), F.normalize(x, dim=-1), F.normalize(y, dim=-1))
    loss = (F.cross_entropy(by_image, labels) + F.cross_entropy(by_text, labels)) / 2
    return loss.detach(), *torch.autograd.grad(loss, (x, y, log_scale))


def peak_bytes(run: Callable) -> int:
    """The most that torch's allocator has handed out at once in a run, its results included, by
    torch's own profiler.
    """
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        run()
    events = [
        event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    return int(
        np.cumsum(
            [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
        ).max()
    )
