"""The rows of the convention table: what others write, what is written here, and code that goes
from one to the other.

Each function computes one thing twice, in the words of others (plain numpy) and here, and a third
time as it comes out where the translation is forgotten. `demos.site.conventions` runs them and
makes the page.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import diffx

DATA, NOISE, X = np.array([-0.7, 2.0]), np.array([1.1, 0.4]), np.array([0.3, -1.2])
MEAN, VARIANCE = np.array([1.0, -2.0]), 0.49


class Result(NamedTuple):
    theirs: Any
    here: Any
    forgotten: Any


class Row(NamedTuple):
    about: str
    others: str
    here: str
    translation: str
    run: Callable[[], Result]


ROWS: list[Row] = []


def row(
    about: str, *, others: str, here: str, translation: str
) -> Callable[[Callable[[], Result]], Callable[[], Result]]:
    """Put the decorated function into the table."""

    def declare(run: Callable[[], Result]) -> Callable[[], Result]:
        ROWS.append(Row(about, others, here, translation, run))
        return run

    return declare


def law() -> diffx.GaussianLaw:
    return diffx.GaussianLaw(MEAN, np.array(VARIANCE))


def mean_of_data(x, signal, noise):
    """E[x_0 | signal x_0 + noise eps = x] for the law above, by Bayes, in the words of nobody."""
    return (MEAN * noise**2 + VARIANCE * signal * x) / (VARIANCE * signal**2 + noise**2)


# --- time ---------------------------------------------------------------------------------------


@row(
    "direction of time",
    others=(
        "r = 0 is noise, r = 1 is data: x = r data + (1 - r) noise (flow matching, stochastic "
        "interpolants)"
    ),
    here="t = 0 is data, t = 1 is noise, for every process (API-08)",
    translation="t = 1 - r",
)
def direction():
    r, flow = 0.3, diffx.RectifiedFlow()
    theirs = r * DATA + (1 - r) * NOISE
    return Result(
        theirs, diffx.perturb(flow, DATA, NOISE, 1 - r), diffx.perturb(flow, DATA, NOISE, r)
    )


@row(
    "index of a chain",
    others="n = 0..999, alphas_cumprod[n] (code of DDPM and its descendants)",
    here="t = i/1000 with i = 0..1000; i = 0 is data, which has no index there (FWD-10)",
    translation="t = (n + 1)/1000",
)
def index():
    n, betas = 499, np.linspace(1e-4, 0.02, 1000)
    theirs, alpha = np.cumprod(1 - betas)[n], jax.jit(diffx.DDPMChain(betas).alpha)
    return Result(theirs, alpha((n + 1) / 1000) ** 2, alpha(n / 1000) ** 2)


@row(
    "sigma as time",
    others="the noise level itself: x = data + sigma noise (EDM)",
    here="a time in [0, 1]; EDM has sigma = sigma_max t (FWD-01)",
    translation="t = sigma/sigma_max",
)
def sigma_as_time():
    sigma, edm = 0.5, diffx.EDM(80.0)
    theirs = DATA + sigma * NOISE
    return Result(
        theirs, diffx.perturb(edm, DATA, NOISE, sigma / 80), diffx.perturb(edm, DATA, NOISE, sigma)
    )


@row(
    "sigma of a VP model",
    others=(
        "noise beside an unscaled signal, y = x/alpha and sigma = sigma_t/alpha_t (wrappers of "
        "k-diffusion)"
    ),
    here="x = alpha y at the time with log-SNR -2 log sigma (FWD-06)",
    translation="t = process.time_of_log_snr(-2 log sigma); x = process.alpha(t) y",
)
def sigma_of_vp():
    sigma, process = 1.7, diffx.VP()
    t, denoise = process.time_of_log_snr(-2 * np.log(sigma)), diffx.denoiser(process, law())
    return Result(mean_of_data(X, 1, sigma), denoise(process.alpha(t) * X, t), denoise(X, t))


@row(
    "angle as time",
    others=(
        "an angle in [0, pi/2]: x = cos data + sin noise, with velocity dx/dangle = cos noise - "
        "sin data (TrigFlow)"
    ),
    here="Trig has t in [0, 1], and its velocity is dx/dt (FWD-01, DEN-01)",
    translation="t = angle/(pi/2); velocity = (pi/2) v",
)
def angle_as_time():
    angle, trig = 0.6, diffx.Trig()
    x = np.cos(angle) * DATA + np.sin(angle) * NOISE
    here = diffx.predictions.velocity_of_x0(trig, x, DATA, angle / (np.pi / 2))
    return Result(np.cos(angle) * NOISE - np.sin(angle) * DATA, here / (np.pi / 2), here)


@row(
    "points or steps",
    others="N points of a grid, which are N - 1 steps (tables of Pierret and Galerne)",
    here="n steps, n + 1 points (FWD-19)",
    translation="n = N - 1",
)
def points_or_steps():
    points = 50
    theirs = np.linspace(1, 1e-3, points)
    return Result(theirs, diffx.uniform(points - 1, t_min=1e-3), diffx.uniform(points, t_min=1e-3))


@row(
    "shift or mu",
    others="e^mu/(e^mu + 1/t - 1), with mu from the size of the picture (FLUX)",
    here="time_shift(t, S) = S t/(1 + (S - 1) t) (FWD-05)",
    translation="S = e^mu",
)
def shift_or_mu():
    mu, t = 1.15, np.linspace(1, 0.1, 5)
    theirs = np.exp(mu) / (np.exp(mu) + 1 / t - 1)
    return Result(theirs, diffx.time_shift(t, np.exp(mu)), diffx.time_shift(t, mu))


# --- noise levels -------------------------------------------------------------------------------


@row(
    "alpha or alpha-bar",
    others="x = sqrt(a) data + sqrt(1 - a) noise; a is called alpha-bar (DDPM) or alpha (DDIM)",
    here="x = alpha data + sigma noise: alpha is the root (FWD-10)",
    translation="alpha = sqrt(a); t = process.time_of_log_snr(log(a/(1 - a)))",
)
def alpha_or_alpha_bar():
    a, process = 0.36, diffx.VP()
    theirs = np.sqrt(a) * DATA + np.sqrt(1 - a) * NOISE
    here, forgotten = (process.time_of_log_snr(np.log(b / (1 - b))) for b in (a, a**2))
    return Result(theirs, *(diffx.perturb(process, DATA, NOISE, t) for t in (here, forgotten)))


@row(
    "log-SNR or half of it",
    others="lambda = log(alpha/sigma) (DPM-Solver)",
    here="l = log(alpha^2/sigma^2) (FWD-05)",
    translation="l = 2 lambda",
)
def half_log_snr():
    alpha, process = 0.6, diffx.VP()
    half = np.log(alpha / np.sqrt(1 - alpha**2))
    here, forgotten = (process.alpha(process.time_of_log_snr(l)) for l in (2 * half, half))
    return Result(alpha, here, forgotten)


@row(
    "sign of the log-SNR",
    others="gamma = log(sigma^2/alpha^2), which grows with the noise (VDM)",
    here="l = log(alpha^2/sigma^2), which falls (FWD-05)",
    translation="l = -gamma",
)
def sign_of_log_snr():
    gamma, process = 1.3, diffx.VP()
    here, forgotten = (process.sigma(process.time_of_log_snr(l)) ** 2 for l in (-gamma, gamma))
    return Result(1 / (1 + np.exp(-gamma)), here, forgotten)


@row(
    "beta or b",
    others="dx = -b x dt + sqrt(2 b) dw (Pierret and Galerne; physics)",
    here="dx = -(beta/2) x dt + sqrt(beta) dw (FWD-01)",
    translation="beta = 2 b",
)
def beta_or_b():
    first, last, t = 0.05, 10.0, 0.4
    theirs = np.exp(-(first * t + (last - first) * t**2 / 2))
    return Result(theirs, diffx.VP(2 * first, 2 * last).alpha(t), diffx.VP(first, last).alpha(t))


@row(
    "sigma_min, first meaning: the last positive level of a grid",
    others="n levels from sigma_max to sigma_min, then 0 (EDM)",
    here="karras(process, n, sigma_min=...), in the units of the data and not of t (FWD-05)",
    translation="the same number",
)
def floor_of_a_grid():
    root = np.linspace(80 ** (1 / 7), 0.002 ** (1 / 7), 18)
    levels = jax.jit(
        lambda sigma_min: 80 * diffx.karras(diffx.EDM(80.0), 18, sigma_min=sigma_min)[-3:]
    )
    return Result(np.append(root**7, 0)[-3:], levels(0.002), levels(0.002 / 80))


@row(
    "sigma_min, second meaning: the noise of VE at t = 0",
    others="std = sigma_min (sigma_max/sigma_min)^t, which is sigma_min at t = 0 (score_sde)",
    here="sigma(0) = 0: the solution of the SDE that starts at the data (FWD-15)",
    translation="std^2 = sigma(t)^2 + sigma_min^2",
)
def offset_of_ve():
    t, process = 0.1, diffx.VE(0.01, 50.0)
    theirs = 0.01 * (50.0 / 0.01) ** t
    return Result(theirs, np.hypot(process.sigma(t), 0.01), process.sigma(t))


@row(
    "sigma_min, third meaning: a clip",
    others="max(sigma, sigma_min) wherever a level is used",
    here="nothing is clipped: the grid stops where sigma/alpha is sigma_min",
    translation="uniform(n, t_min=t), t = process.time_of_log_snr(-2 log sigma_min)",
)
def clip():
    sigma_min, edm = 0.05, diffx.EDM(80.0)
    theirs = np.maximum(80 * 0.0, sigma_min)
    last = edm.time_of_log_snr(-2 * np.log(sigma_min))
    return Result(
        theirs, edm.sigma(diffx.uniform(8, t_min=last)[-1]), edm.sigma(diffx.uniform(8)[-1])
    )


@row(
    "sigma_min, fourth meaning: more noise at every time",
    others="alpha = alpha_min^(r^2), sigma^2 = 1 - alpha^2 + sigma_min^2 (azula's VP)",
    here="any (alpha, sigma) is a time and a factor: only sigma/alpha matters (FWD-06)",
    translation="t = process.time_of_log_snr(2 log(alpha/sigma)); x times process.alpha(t)/alpha",
)
def more_noise():
    r, process, denoise = 0.2, diffx.VP(), diffx.denoiser(diffx.VP(), law())
    alpha = 1e-3 ** (r**2)
    sigma = np.sqrt(1 - alpha**2 + 1e-3**2)
    t = process.time_of_log_snr(2 * np.log(alpha / sigma))
    return Result(
        mean_of_data(X, alpha, sigma), denoise(process.alpha(t) / alpha * X, t), denoise(X, r)
    )


@row(
    "sigma_min, fifth meaning: the noise at the data's end of a flow",
    others=(
        "x = r data + (1 - (1 - sigma_min) r) noise, v = data - (1 - sigma_min) noise (Lipman "
        "et al.)"
    ),
    here="the rectified flow ends in the data; again a time and a factor (FWD-06)",
    translation="noise = x - r v; t = flow.time_of_log_snr(2 log(r/sigma)); x times (1 - t)/r",
)
def floor_of_a_flow():
    r, sigma_min, flow = 0.3, 0.01, diffx.RectifiedFlow()
    sigma = 1 - (1 - sigma_min) * r
    x, v = r * DATA + sigma * NOISE, DATA - (1 - sigma_min) * NOISE
    t = flow.time_of_log_snr(2 * np.log(r / sigma))
    forgotten = diffx.predictions.x0_of_eps(flow, x, x - r * v, 1 - r)
    return Result(DATA, diffx.predictions.x0_of_eps(flow, (1 - t) / r * x, x - r * v, t), forgotten)


# --- the start ----------------------------------------------------------------------------------


@row(
    "terminal signal",
    others=(
        "sampling starts at N(0, 1), though the chain of DDPM ends with sqrt(alpha-bar) = "
        "0.0064 (Lin et al.)"
    ),
    here="prior(process, law) is the law at t = 1, whatever is left of the signal (FWD-11, REV-30)",
    translation="zero_terminal_snr(betas) makes N(0, 1) the truth",
)
def terminal_signal():
    betas, start = (
        diffx.processes.linear_betas(),
        jax.jit(lambda betas: diffx.prior(diffx.DDPMChain(betas), law())),
    )
    here, forgotten = start(jax.jit(diffx.processes.zero_terminal_snr)(betas)), start(betas)
    return Result(np.array([0.0, 0.0, 1.0]), *(np.append(p.mean, p.cov) for p in (here, forgotten)))


@row(
    "start of a variance-exploding process",
    others="N(0, sigma_max^2): the data are left out (EDM, k-diffusion)",
    here="prior keeps the data's mean and variance beside it (REV-30)",
    translation="prior(process, law) = N(mean, sigma_max^2 + variance)",
)
def start_of_edm():
    start = np.asarray(diffx.prior(diffx.EDM(10.0), law()).cov)
    return Result(10.0**2, start - VARIANCE, start)


# --- predictions --------------------------------------------------------------------------------


@row(
    "sign of the velocity",
    others="v = data - noise, which points to the data (flow matching papers)",
    here=(
        "alpha' x0 + sigma' eps = noise - data, which points to the noise, as in SD3 and WAN "
        "(DEN-01)"
    ),
    translation="velocity = -v",
)
def sign_of_velocity():
    t, flow = 0.7, diffx.RectifiedFlow()
    x, v = (1 - t) * DATA + t * NOISE, DATA - NOISE
    return Result(
        DATA,
        diffx.predictions.x0_of_velocity(flow, x, -v, t),
        diffx.predictions.x0_of_velocity(flow, x, v, t),
    )


@row(
    "sign of the v-prediction",
    others="v = x0 where no signal is left (text of Lin et al., section 3.2)",
    here="v = alpha eps - sigma x0, so v = -x0 there, as in their eq. (11) (DEN-01)",
    translation="v = -x0 at alpha = 0",
)
def sign_of_v():
    v = diffx.predictions.v_of_x0(diffx.Trig(), NOISE, DATA, 1.0)
    return Result(DATA, -v, v)


# --- noise while sampling -----------------------------------------------------------------------


@row(
    "eta of DDIM",
    others="sigma = eta sqrt((1 - a_s)/(1 - a_t)) sqrt(1 - a_t/a_s), a = alpha-bar (DDIM)",
    here=(
        "ddim(process, denoise, eta=eta): eta multiplies a standard deviation, not a variance "
        "(REV-16)"
    ),
    translation="the same number",
)
def eta_of_ddim():
    eta, process = 0.5, diffx.VP()
    t, s, still, one = 0.6, 0.5, np.zeros(2), np.ones(2)
    a_t, a_s = (np.asarray(process.alpha(r)) ** 2 for r in (t, s))
    theirs = eta * np.sqrt((1 - a_s) / (1 - a_t)) * np.sqrt(1 - a_t / a_s) * one

    def noise(eta):
        step = diffx.ddim(process, diffx.denoiser(process, law()), eta=eta).step
        return step(diffx.State(X), t, s, one)[0].x - step(diffx.State(X), t, s, still)[0].x

    return Result(theirs, noise(eta), noise(eta**2))


@row(
    "eta of the reverse family",
    others="dx = (v + D score) dr + sqrt(2 D) dw in r = 1 - t, with a free diffusion D (SiT)",
    here=(
        "reverse_drift(..., eta=eta), diffusion eta g; eta = 1 is the reverse SDE, 0 the ODE "
        "(REV-03)"
    ),
    translation="eta = sqrt(2 D)/g(t)",
)
def eta_of_the_family():
    diffusion, t, flow = 0.8, 0.7, diffx.RectifiedFlow()
    x0 = mean_of_data(X, 1 - t, t)
    eps = (X - (1 - t) * x0) / t
    drift = lambda eta: (
        -diffx.reverse.reverse_drift(flow, diffx.denoiser(flow, law()), X, t, eta=eta)
    )
    return Result(
        x0 - eps + diffusion * -eps / t, drift(np.sqrt(2 * diffusion) / flow.g(t)), drift(diffusion)
    )


@row(
    "beta of EDM",
    others=(
        "dx = -sigma score dsigma - beta sigma^2 score dsigma + sqrt(2 beta) sigma dw (EDM, eq. "
        "6, backwards)"
    ),
    here="the same family, in t (REV-03)",
    translation="eta^2 = beta sigma; drift in sigma = drift in t / sigma_max",
)
def beta_of_edm():
    beta, sigma, edm = 0.4, 2.0, diffx.EDM(80.0)
    score = (mean_of_data(X, 1, sigma) - X) / sigma**2
    drift = lambda eta: (
        diffx.reverse.reverse_drift(edm, diffx.denoiser(edm, law()), X, sigma / 80, eta=eta) / 80
    )
    return Result(-(sigma + beta * sigma**2) * score, drift(np.sqrt(beta * sigma)), drift(beta))


@row(
    "churn",
    others="noise sqrt(up^2 - sigma^2) before a step, up = (1 + gamma) sigma (EDM, Algorithm 2)",
    here="a step forward in time, with the noise of transition (FWD-04)",
    translation="transition(edm, (1 + gamma) t, t).sigma",
)
def churn():
    gamma, sigma, edm = 0.4, 2.0, diffx.EDM(80.0)
    theirs = np.sqrt(((1 + gamma) * sigma) ** 2 - sigma**2)
    return Result(
        theirs, diffx.transition(edm, (1 + gamma) * sigma / 80, sigma / 80).sigma, gamma * sigma
    )


# --- guidance -----------------------------------------------------------------------------------


@row(
    "w or 1 + w",
    others=(
        "(1 + w) cond - w uncond; w = 0 is conditional (Ho and Salimans; azula, swirl-dynamics, "
        "smalldiffusion)"
    ),
    here="uncond + w (cond - uncond); w = 1 is conditional, as in diffusers (CFG-07)",
    translation="w here = 1 + w there",
)
def w_or_one_plus_w():
    w, cond, uncond = 6.5, DATA, NOISE
    theirs = (1 + w) * cond - w * uncond
    return Result(theirs, diffx.cfg(cond, uncond, w=1 + w), diffx.cfg(cond, uncond, w=w))


@row(
    "negative prompt",
    others="a third branch that is subtracted: uncond + w (pos - uncond) - u (neg - uncond)",
    here="the negative prompt takes the place of uncond: cfg(pos, neg, w=w) (CFG-09)",
    translation="the two are one for u = w - 1",
)
def negative_prompt():
    w, pos, neg, uncond = 5.0, DATA, NOISE, X
    theirs = uncond + w * (pos - uncond) - (w - 1) * (neg - uncond)
    return Result(theirs, diffx.cfg(pos, neg, w=w), diffx.cfg(pos, uncond, w=w))
