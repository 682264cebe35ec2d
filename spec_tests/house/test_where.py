"""The page "Where is it?" finds what people search for, and every name on it exists."""

import pytest

from demos.site import where
from demos.site.api import entries
from spec_tests.support.rooms import none_of

# What newcomers type: a docstring that loses its term fails here.
SEARCHED = """
Karras schedule; v-prediction; ancestral variance; Tweedie's formula; reparametrisation; noise
schedule; Hutchinson trace estimator; WAN shift; CFG; score matching; classifier-free guidance;
negative prompt; guidance scale; autoguidance; classifier guidance; guidance interval; CFG
rescale; adaptive projected guidance; label dropout; DDPM; DDIM; DDIM inversion; probability flow
ODE; reverse SDE; Euler-Maruyama; Heun sampler; predictor-corrector sampler; Langevin dynamics;
ancestral sampling; DPM++ 2M; DPM++ 2M SDE; DPM++ SDE; UniPC; DEIS; LMS; Euler a; EDM sampler;
churn; Restart sampling; CFG++; Analytic-DPM; consistency model; progressive distillation;
exponential integrator; forward process; noising; transition kernel; posterior variance;
beta-tilde; alphas_cumprod; zero terminal SNR; timestep respacing; cosine noise schedule; linear
noise schedule; sigmoid noise schedule; variance preserving; variance exploding; sub-VP SDE;
rectified flow; stochastic interpolant; Schrödinger bridge; flow matching loss; conditional flow
matching; reflow; minibatch OT; optimal transport coupling; timestep shift; logit-normal timestep
sampling; epsilon prediction; score function; ideal denoiser; posterior mean; Wiener filter; EDM
preconditioning; Min-SNR weighting; ELBO; bits per dimension; log-likelihood; mutual information
of data and noisy data; I-MMSE; differential entropy; Girsanov's theorem; Doob's h-transform;
Wasserstein-2 distance; Fréchet distance; KL divergence; Gaussian mixture; CLIP loss; InfoNCE;
SigLIP loss; zero-shot classification; recall@k; PMI; EMA; concept vector; custom scheduler;
trajectory; Align Your Steps; uniform lambda
"""
SPELT = """
DDIMScheduler; DDPMScheduler; sample_heun; PredFlow; UniPCMultistepScheduler;
EulerDiscreteScheduler; sample_euler_ancestral; DPMSolverMultistepScheduler;
FlowMatchEulerDiscreteScheduler; IdealDenoiser; CondOTScheduler; CFGDenoiser; ClipLoss;
get_sigmas_karras; add_noise; ScheduleLDM; ODESolver; SigLipLoss; rescale_noise_cfg; VDenoiser
"""


def listed(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split(";")]


@pytest.fixture(scope="module")
def found():
    return entries()


def test_the_words_of_newcomers_are_found(found):
    known = {term.words.casefold() for term in where.terms(found)}
    searched = listed(SEARCHED)
    assert len(searched) >= 80
    none_of([words for words in searched if words.casefold() not in known], "terms nobody finds")


def test_sixty_spellings_of_other_libraries_are_found(found):
    known = {(one.library, one.name) for one in where.spellings(found)}
    assert len(known) >= 60
    assert {library for library, _ in known} == set(where.LIBRARIES)
    named = {name for _, name in known}
    none_of([name for name in listed(SPELT) if name not in named], "spellings nobody finds")


def test_every_name_on_the_page_exists(found):
    for entry in {one.entry for one in (*where.terms(found), *where.spellings(found))}:
        assert where.evaluate(entry.name) is not None


def test_a_name_that_does_not_exist_makes_no_page(found):
    name = ".".join(("diffx", "nowhere"))
    lost = found[0]._replace(name=name, docstring="x.\n\nAlso called: a lost term.")
    with pytest.raises(AttributeError, match="nowhere"):
        where.page([lost])


def test_conditions_of_a_spelling_stand_beside_it(found):
    told = where.spellings([found[0]._replace(docstring="x.\n\nAlso called: diffusers A (b c).")])
    assert [(one.library, one.name, one.where) for one in told] == [("diffusers", "A", "b c")]
