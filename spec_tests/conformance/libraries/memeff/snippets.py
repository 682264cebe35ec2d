"""Failures of memeff, reproduced with memeff alone."""

STABLE = """
import torch, torch.nn.functional as F; from memeff import MemoryEfficientCLIPLoss
x, y = F.normalize(torch.randn(2, 64, 32, device="cuda"), dim=-1)
x.requires_grad_()
loss = MemoryEfficientCLIPLoss(temperature=0.1, normalized_inputs=True)(x, y)
by_code, = torch.autograd.grad(loss, x)
scores, labels = x @ y.T / 0.1, torch.arange(64, device="cuda")
dense = (F.cross_entropy(scores, labels) + F.cross_entropy(scores.T, labels)) / 2
print(loss - dense, (by_code / torch.autograd.grad(dense, x)[0]).median())  # 0, and sqrt(64 * 0.1) = 2.53 where 1 is right
"""
