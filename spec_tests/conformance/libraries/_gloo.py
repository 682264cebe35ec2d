"""A loss over several gloo processes, as torch's DistributedDataParallel trains with it."""
# pyright: reportMissingImports=false

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

Loss = Callable[..., torch.Tensor]  # (images, texts, scale, bias) -> loss
Make = Callable[[int, int], Loss]  # (rank, world) -> the loss of that process; picklable


def value_and_gradients(
    loss: Loss, images: np.ndarray, texts: np.ndarray, log_scale: float, bias: float | None
) -> Any:
    """As check_contrastive_loss wants them."""
    leaf = lambda x: torch.tensor(np.asarray(x), dtype=torch.float64, requires_grad=True)
    leaves = {"images": leaf(images), "texts": leaf(texts), "log_scale": leaf(log_scale)}
    leaves |= {} if bias is None else {"bias": leaf(bias)}
    value = loss(leaves["images"], leaves["texts"], leaves["log_scale"].exp(), leaves.get("bias"))
    value.backward()
    zero = lambda x: torch.zeros_like(x) if x.grad is None else x.grad
    return float(value.detach()), {name: zero(x).numpy() for name, x in leaves.items()}


def over_processes(
    make: Make,
    world: int,
    images: np.ndarray,
    texts: np.ndarray,
    log_scale: float,
    bias: float | None,
) -> Any:
    """Each process has its rows; value and gradients are averaged over processes, as
    DistributedDataParallel does.

    An encoder's gradient is then 1/world of the sum over the rows of all processes, hence the
    division of the rows' own.
    """
    workers = _workers(world)
    for worker, x, y in zip(workers, np.split(images, world), np.split(texts, world), strict=True):
        worker.send((make, x, y, log_scale, bias))
    answers = [worker.recv() for worker in workers]
    raised = [answer for answer in answers if isinstance(answer, str)]
    if raised:
        raise RuntimeError(raised[0])
    values, gradients = zip(*answers, strict=True)
    rows = {
        name: np.concatenate([one[name] for one in gradients]) / world
        for name in ("images", "texts")
    }
    numbers = {
        name: np.mean([one[name] for one in gradients]) for name in gradients[0] if name not in rows
    }
    return float(np.mean(values)), rows | numbers


@cache
def _workers(world: int) -> list[Any]:
    """Started once, and ended with this process."""
    meeting = str(Path(tempfile.mkdtemp()) / "meeting")
    ends = []
    for rank in range(world):
        here, there = mp.Pipe()
        mp.get_context("spawn").Process(
            target=_work, args=(there, meeting, rank, world), daemon=True
        ).start()
        ends.append(here)
    return ends


def _work(orders: Any, meeting: str, rank: int, world: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    while True:
        make, *given = orders.recv()
        try:
            orders.send(value_and_gradients(make(rank, world), *given))
        except Exception as error:
            orders.send(f"{type(error).__name__}: {error}")
