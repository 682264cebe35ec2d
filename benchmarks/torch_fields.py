"""The exact denoisers in torch, for the peers that want a torch network; each peer gets the
same.
"""
# pyright: reportMissingImports=false

import os

import numpy as np
import torch

from benchmarks.problem import Gaussian

torch.set_num_threads(os.cpu_count() or 1)
torch.set_num_interop_threads(1)


class Field:
    """D(x, alpha, sigma), E[x_0 | alpha x_0 + sigma eps = x]. A Gaussian is one matrix; a mixture
    (k, n, 2) arrays.
    """

    def __init__(self, law: Gaussian):
        self.log_weights = torch.log(torch.tensor(law.weights))
        self.means, self.values, self.vectors = (
            torch.tensor(np.ascontiguousarray(v)) for v in law[1:]
        )

    def __call__(self, x: torch.Tensor, alpha, sigma) -> torch.Tensor:
        spread = alpha**2 * self.values + sigma**2
        gain = (self.vectors * (alpha * self.values / spread)[:, None]) @ self.vectors.mT
        if len(self.means) == 1:
            return torch.addmm(self.means, x - alpha * self.means, gain[0])
        off = x - alpha * self.means[:, None]
        white = (off @ self.vectors) / spread.sqrt()[:, None]
        logs = (self.log_weights - spread.log().sum(-1) / 2)[:, None] - white.square().sum(-1) / 2
        return (torch.softmax(logs, 0)[..., None] * (self.means[:, None] + off @ gain)).sum(0)

    def score(self, x: torch.Tensor, alpha, sigma) -> torch.Tensor:
        """The gradient of the log-density of alpha x_0 + sigma eps: the shares of the components
        times their pulls.
        """
        spread = alpha**2 * self.values + sigma**2
        inverse = (self.vectors / spread[:, None]) @ self.vectors.mT
        off = x - alpha * self.means[:, None]
        pull = off @ inverse
        logs = (self.log_weights - spread.log().sum(-1) / 2)[:, None] - (off * pull).sum(-1) / 2
        return -(torch.softmax(logs, 0)[..., None] * pull).sum(0)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.asarray(x, np.float32))
