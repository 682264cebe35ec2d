"""Failures of torchcfm, reproduced with torchcfm alone."""

GUARDS = """
import torch; from torchcfm import SchrodingerBridgeConditionalFlowMatcher
matcher, t = SchrodingerBridgeConditionalFlowMatcher(sigma=0.5), torch.tensor([0.05], dtype=torch.float64)
zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
print(matcher.compute_conditional_flow(zero, zero, t, one) * 2 * t * (1 - t) / (1 - 2 * t) - 1)  # 0 but for 1e-8/(2 t (1 - t))
print(matcher.compute_lambda(t) * 0.5**2 / (2 * matcher.compute_sigma_t(t)) - 1)  # 0 but for 1e-8/sigma^2
"""
