"""Failures of UniPC, reproduced with UniPC alone."""

BATCH = """
import torch; from uni_pc import NoiseScheduleVP, model_wrapper
model = model_wrapper(lambda x, t: x, NoiseScheduleVP("linear"), model_type="v")  # and "x_start"
for images in (1, 2, 8):  # of 8 x 8: a batch of 2 raises
    print(model(torch.zeros(images, 3, 8, 8), torch.full((images,), 0.5)).shape)
"""
VARY = """
import torch; from uni_pc import NoiseScheduleVP, UniPC
torch.set_default_dtype(torch.float64); ns = NoiseScheduleVP("linear", dtype=torch.float64)
eps = lambda x, t: ns.marginal_lambda(t)[:, None, None, None] + 0 * x  # a line in lambda: exact from order 2 on
for variant in ("bh2", "vary_coeff"):  # the second misses the step by a tenth
    solver = UniPC(eps, ns, algorithm_type="noise_prediction", variant=variant); x = torch.zeros(1, 1, 1, 1)
    times = solver.get_time_steps("logSNR", 0.8, 0.4, 2, "cpu"); models = [solver.model_fn(x, t) for t in times[:2]]
    got, _ = solver.multistep_uni_pc_update(x, models, list(times[:2]), times[2], 2)
    l = torch.linspace(*ns.marginal_lambda(times[1:]).flatten().tolist(), 100001)
    print(got, -ns.marginal_alpha(times[2:]) * torch.trapezoid(torch.exp(-l) * l, l))  # the exact step
"""
