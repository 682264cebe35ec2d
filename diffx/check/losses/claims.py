r"""check_contrastive_loss: CLIP or SigLIP, dense or over devices, with all gradients."""

from collections.abc import Callable
from functools import partial
from operator import index

from diffx.check._ask import check_precision
from diffx.check.finding import Finding, finding
from diffx.check.losses import measures as ask
from diffx.check.losses.measures import Case


def check_contrastive_loss(
    loss: Callable,
    *,
    kind: str = "clip",
    bias: bool = False,
    shards: int = 1,
    precision: str = "float64",
) -> tuple[Finding, ...]:
    r"""Findings on a contrastive loss: its value and all its gradients, against closed forms.

    Values are in nats, for rows of unit length and scores exp(log_scale) x_i.y_j (+ bias, a float
    or None). Gradients are those of the rows as given, or their tangential part where the loss
    normalises. kind is "clip" for symmetric InfoNCE, "siglip" for the sum of log-sigmoids over N.
    shards is the number of devices over which the adapter lays the rows; value and gradients must
    be those of one. precision is that of the code's own arithmetic. An exception or a result of
    another shape is reported as a finding. The claims of the findings are CLP-01 (values) and
    CLP-02 (gradients) for clip, CLP-12 for siglip, and CLP-11 (both) for shards.

    Units: loss(images, texts, log_scale, bias) -> (value, {"images": (N, d), "texts": (N, d),
        "log_scale": (), and "bias": () with bias=True}).
    Raises: ValueError for an unknown kind or precision; TypeError or ValueError for shards below 1.
    Also called: test of a CLIP loss, gradient check, distributed loss check.
    Claims: KIT-07.
    """
    if kind not in ask.REFERENCES:
        raise ValueError(
            f"kind must be one of {', '.join(map(repr, ask.REFERENCES))}, got {kind!r}"
        )
    if index(shards) < 1:
        raise ValueError(f"shards must be 1 or more, got {shards}")
    case = Case(loss, kind, bias, shards, check_precision(precision))
    values, gradients = partial(ask.has_values, case), partial(ask.has_gradients, case)
    if shards > 1:
        return finding("CLP-11", values), finding("CLP-11", gradients)
    claims = ("CLP-01", "CLP-02") if kind == "clip" else ("CLP-12", "CLP-12")
    return finding(claims[0], values), finding(claims[1], gradients)
