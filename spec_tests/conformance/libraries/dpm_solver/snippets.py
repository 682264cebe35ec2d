"""Failures of DPM-Solver, reproduced with DPM-Solver alone."""

THIRD = """
import torch; from dpm_solver_pytorch import DPM_Solver, NoiseScheduleVP
torch.set_default_dtype(torch.float64); ns = NoiseScheduleVP("linear", dtype=torch.float64)
eps = lambda x, t: ns.marginal_lambda(t)[:, None] ** 2 + 0 * x  # a parabola in lambda: a method of order 3 is exact
solver = DPM_Solver(eps, ns, algorithm_type="dpmsolver"); x = torch.zeros(1, 1)
times = solver.get_time_steps("logSNR", 0.8, 0.4, 3, "cpu"); models = [solver.model_fn(x, t) for t in times[:3]]
got = solver.multistep_dpm_solver_third_update(x, models, list(times[:3]), times[3])
l = torch.linspace(*ns.marginal_lambda(times[2:]).flatten().tolist(), 100001)
print(got, -ns.marginal_alpha(times[3:]) * torch.trapezoid(torch.exp(-l) * l**2, l))  # Proposition 3.1 of the paper
"""
