"""Recompute the vectors by plain formulas: python check_vectors.py DIR. Put your function for one
here: is it right?
"""

import cmath
import itertools
import json
import sys
from math import cos, exp, expm1, log, pi, sin, sqrt


def alphas_cumprod(p):  # of nodes 0, 1, ..., n
    k, n = {"linear": 1, "scaled_linear": 2}[p["betas"]], p["n"] - 1
    betas = [
        (p["first"] ** (1 / k) * (1 - i / n) + p["last"] ** (1 / k) * i / n) ** k
        for i in range(n + 1)
    ]
    return list(itertools.accumulate(betas, lambda bar, beta: bar * (1 - beta), initial=1.0))


preserving = lambda bar: (sqrt(bar), sqrt(1 - bar))
PATHS = {
    "RectifiedFlow": lambda t: (1 - t, t),
    "EDM": lambda t, sigma_max: (1, sigma_max * t),
    "VE": lambda t, sigma_min, sigma_max: (
        1,
        sigma_min * sqrt(expm1(2 * log(sigma_max / sigma_min) * t)),
    ),
    "VP": lambda t, beta_min, beta_max: preserving(
        exp(-t * (beta_min + (beta_max - beta_min) * t / 2))
    ),
    "CosineVP": lambda t, offset: preserving(
        (sin((1 - t) / (1 + offset) * pi / 2) / cos(offset / (1 + offset) * pi / 2)) ** 2
    ),
    "DDPMChain": lambda t, **p: preserving(alphas_cumprod(p)[round(t * p["n"])]),
}
# alpha, sigma
schedule = lambda p, t: PATHS[p["name"]](t, **{key: p[key] for key in p if key != "name"})


def grid(name, p):
    n, of, line = p["n"], p.get("n_train"), lambda a, b, u: a + (b - a) * u
    node = {
        "leading": lambda i: (1 + (n - 1 - i) * (of // n)) / of,
        "trailing": lambda i: round(of - i * of / n) / of,
        "linspace": lambda i: round(line(of, 1, i / (n - 1))) / of,
        "uniform": lambda i: line(p["t_max"], p["t_min"], i / n),
        "karras": lambda i: (
            line(*(p[end] ** (1 / p["rho"]) for end in ("sigma_max", "sigma_min")), i / (n - 1))
            ** p["rho"]
        ),
    }
    return {
        "sigma_over_alpha" if name == "karras" else "t": [node[name](i) for i in range(n)]
        + [p.get("t_min", 0)]
    }


def step(
    eta, a, s, a1, s1
):  # x_s = x x_t + x0 D(x_t, t) + noise z, from (alpha, sigma) to (alpha, sigma)
    noise = eta * s1 * sqrt(1 - (a * s1 / (a1 * s)) ** 2)
    return {"x": (old := sqrt(s1**2 - noise**2) / s), "x0": a1 - old * a, "noise": noise}


def law(
    case,
):  # of the output of a method of first order, axis by axis, where the covariance is diagonal
    levels, mean, cov = [schedule(case["process"], t) for t in case["t"]], [0, 0], [[0, 0], [0, 0]]
    steps = (
        case["steps"]
        if case["eta"] is None
        else [step(case["eta"], *a, *b) for a, b in itertools.pairwise(levels)]
    )
    for i, m in enumerate(case["data"]["mean"]):
        v, mean[i], cov[i][i] = (
            case["data"]["cov"][i][i],
            case["start"]["mean"][i],
            case["start"]["cov"][i][i],
        )
        for (a, s), c in zip(levels, steps, strict=False):
            gain = c["x0"] * a * v / (a * a * v + s * s)  # D(x) = m + a v/(a^2 v + s^2) (x - a m)
            mean[i] = c["x"] * mean[i] + c["x0"] * m + gain * (mean[i] - a * m)
            cov[i][i] = (c["x"] + gain) ** 2 * cov[i][i] + c["noise"] ** 2
    return {"steps": steps, "mean": mean, "cov": cov}


def clip(images, texts, log_scale):
    x, y = (
        [[v / sum(w * w for w in row) ** 0.5 for v in row] for row in rows]
        for rows in (images, texts)
    )
    s = [
        [cmath.exp(log_scale) * sum(a * b for a, b in zip(u, v, strict=True)) for v in y] for u in x
    ]
    terms = [
        cmath.log(sum(map(cmath.exp, row))) - row[i]
        for table in (s, zip(*s, strict=True))
        for i, row in enumerate(table)
    ]
    return sum(terms) / len(terms)


def gradient(x, y, scale):  # in x: the imaginary part of clip(x + 1e-30j), times 1e30
    move = lambda i, j: [
        [v + 1e-30j * ((i, j) == (k, l)) for l, v in enumerate(row)] for k, row in enumerate(x)
    ]
    return [
        [clip(move(i, j), y, scale).imag * 1e30 for j in range(len(x[0]))] for i in range(len(x))
    ]


def clip_case(x, y, scale):
    slopes = {"images": gradient(x, y, scale), "texts": gradient(y, x, scale)}
    return {
        "value": clip(x, y, scale).real,
        "gradient": {**slopes, "log_scale": clip(x, y, scale + 1e-30j).imag * 1e30},
    }


TOPICS = {
    "schedules": lambda c: {
        at: [schedule(c["process"], t)[k] for t in c["t"]] for k, at in [(0, "alpha"), (1, "sigma")]
    },
    "chains": lambda c: {"alphas_cumprod": [alphas_cumprod(c["chain"])[i] for i in c["node"]]},
    "grids": lambda c: grid(c["grid"], c["parameters"]),
    "samplers": law,
    "losses": lambda c: clip_case(c["images"], c["texts"], c["log_scale"]),
    "guidance": lambda c: {
        "guided": [u + c["w"] * (v - u) for u, v in zip(c["uncond"], c["cond"], strict=True)]
    },
}
inside = lambda v: sorted(v) if isinstance(v, dict) else range(len(v))
# its numbers
flat = lambda v: (
    [n for key in inside(v) for n in flat(v[key])] if isinstance(v, (dict, list, tuple)) else [v]
)
if len(sys.argv) != 2:
    sys.exit("usage: python check_vectors.py DIR")
agree = {}
for topic, recompute in TOPICS.items():
    with open(f"{sys.argv[1]}/{topic}.json") as file:
        cases = [c for c in json.load(file)["cases"] if c["checked"]]
    pairs = [
        (flat(got), flat({key: case[key] for key in got}))
        for case in cases
        for got in [recompute(case)]
    ]
    gaps = [abs(a - b) / max(1, abs(b)) for pair in pairs for a, b in zip(*pair, strict=True)]
    agree[topic] = all(gap <= 1e-9 for gap in gaps)  # false for NaN
    print(
        f"{topic}: {'agrees' if agree[topic] else 'DIFFERS'}, {len(gaps)} numbers, largest "
        f"deviation {max(gaps):.1e}"
    )
sys.exit(not all(agree.values()))
