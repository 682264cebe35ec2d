"""Failures of flow_matching, reproduced with flow_matching alone."""

BATCH = """
import torch; from flow_matching.solver import ODESolver
solver, x = ODESolver(lambda x, t: -(x**3)), torch.tensor([[0.3], [3.0]], dtype=torch.float64)
both, alone = (solver.sample(rows, None, method="dopri5") for rows in (x, x[:1]))
print(both[0] - alone[0])  # of the tolerance's size, where 0 would be a row on its own
"""
HUTCHINSON = """
import torch; from flow_matching.solver import ODESolver
solver = ODESolver(lambda x, t: -x)
normal = lambda x: -0.5 * (x**2).sum(1)
solver.compute_likelihood(torch.ones(3, 2), normal, step_size=0.1)  # float32
print("float64:")
grid = torch.tensor([1.0, 0.0], dtype=torch.float64)
solver.compute_likelihood(torch.ones(3, 2, dtype=torch.float64), normal, step_size=0.1, time_grid=grid)
"""
