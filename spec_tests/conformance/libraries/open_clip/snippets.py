"""Failures of open_clip, reproduced with open_clip alone."""

import re

SHARDED = """
import os, torch, torch.distributed as dist; from open_clip.loss import ClipLoss
rank = 0 if os.fork() else 1; torch.manual_seed(0)
dist.init_process_group("gloo", init_method="tcp://localhost:29555", rank=rank, world_size=2)
x, y = torch.nn.functional.normalize(torch.randn(2, 4, 3), dim=-1); mine = slice(2 * rank, 2 * rank + 2)
part, whole = x[mine].clone().requires_grad_(), x.clone().requires_grad_()
ClipLoss(OPTIONS, rank=rank, world_size=2)(part, y[mine], 10.0).backward()
ClipLoss()(whole, y, 10.0).backward()
print(rank, part.grad / 2 / whole.grad[mine])  # the mean over processes; wanted ones
"""


def of(name: str, claim: str) -> str:
    options = re.search(r"local_loss=\w+, gather_with_grad=\w+", name)
    return SHARDED.replace("OPTIONS", options[0]) if options else ""
