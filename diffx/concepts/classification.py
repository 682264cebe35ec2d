r"""Classification by embeddings of class names, and the case where it is exact: equal Gaussians."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float, Int

from diffx import _arguments
from diffx._linalg import contract
from diffx._types import Number
from diffx.contrast.scores import normalise
from diffx.laws.covariance import Covariance, apply_to_eigenvalues, diagonalise
from diffx.laws.gaussian import GaussianLaw


class Discriminant(NamedTuple):
    """Linear scores weights x + biases, one for each class."""

    weights: Float[Array, "k d"]
    biases: Float[Array, "k"]


def zero_shot_weights(
    encode: Callable[[list[str]], Array], classes: Sequence[str], templates: Sequence[str]
) -> Float[Array, "k d"]:
    r"""w_c = m_c/|m_c|, m_c = (1/T) sum_t v_ct/|v_ct|, v_ct the embedding of class c in template t.

    Units: encode a function from a list of n texts to (n, d), called once for all; classes k names;
        templates T texts in which {} stands for the name, such as "a photo of a {}"; returns (k,
        d), unit vectors, float32 or wider.
    Raises: ValueError for no classes, no templates, a template without {}, embeddings of another
        shape, or a mean of 0.
    Source: Radford et al. 2021, arXiv:2103.00020, and its notebook Prompt_Engineering_for_ImageNet.
    Also called: prompt ensembling, prompt templates, zero-shot classifier, open_clip
        build_zero_shot_classifier.
    Claims: CON-09.
    """
    texts = _prompts(classes, templates)
    vectors = _arguments.finite("encode(texts)", encode(texts))
    _arguments.require(
        vectors.ndim == 2 and vectors.shape[0] == len(texts),
        f"encode must turn {len(texts)} texts into an array ({len(texts)}, d), got shape "
        f"{vectors.shape}",
    )
    means = normalise(vectors).reshape(len(classes), len(templates), -1).mean(1)
    _arguments.not_zero("the mean embedding of a class", means)
    return normalise(means)


def _prompts(classes: Sequence[str], templates: Sequence[str]) -> list[str]:
    """The texts of every template for the first class, then for the next."""
    for name, values in (("classes", classes), ("templates", templates)):
        if isinstance(values, str):
            raise TypeError(
                f"{name} must be a sequence of texts, got the text {values!r}; for one "
                f"text pass [{values!r}]"
            )
        _arguments.require(len(values) > 0, f"{name} must hold at least one text, got none")
    empty = [name for name in classes if not name.strip()]
    _arguments.require(not empty, f"the name of a class must not be empty, got {list(classes)}")
    bare = [template for template in templates if template.count("{}") != 1]
    _arguments.require(
        not bare,
        f"a template must have exactly one {{}}, as in 'a photo of a {{}}', got {bare}",
    )
    return [template.replace("{}", name) for name in classes for template in templates]


def zero_shot(
    images: Float[Array, "*batch d"],
    weights: Float[Array, "k d"],
    *,
    biases: Float[Array, "k"] | None = None,
) -> Int[Array, "*batch"]:
    r"""argmax_c <x, w_c> + b_c: the class whose linear score is the largest, the first of equals.

    Without biases the length of an image does not matter, so unit weights give the nearest cosine.

    Units: images (..., d); weights (k, d), of zero_shot_weights or discriminant; biases (k,),
        default 0; returns (...), indices of classes, -1 where a score is NaN: such an image has no
        class.
    Raises: ValueError for unequal widths or numbers of classes.
    Also called: zero-shot classification, nearest class by cosine, linear classifier, zero-shot
        prediction.
    Claims: CLP-13, CON-09.
    """
    images, weights = _arguments.floats("images", images), _arguments.finite("weights", weights)
    _arguments.require(
        weights.ndim == 2 and weights.shape[0] >= 1,
        f"weights must have shape (k, d) with k >= 1 classes, got {weights.shape}",
    )
    _arguments.events("images", images, weights.shape[1:])
    scores = contract("...d,kd->...k", images, weights)
    if biases is not None:
        biases = _arguments.finite("biases", biases)
        _arguments.require(
            biases.shape == weights.shape[:1],
            f"biases must have shape {weights.shape[:1]}, one per class, got {biases.shape}",
        )
        scores = scores + biases
    return jnp.where(jnp.isnan(scores).any(-1), -1, scores.argmax(-1))


def mean_class_recall(
    predictions: Int[Array, "n"], labels: Int[Array, "n"], *, classes: int
) -> Number:
    r"""(1/K) sum_c (share of class c that is recognised), over the K classes that occur.

    A large class counts no more than a small one. Classes that no label names are left out of the
    mean.

    Units: predictions and labels (n,) integers, labels from 0 to classes - 1, a prediction of -1 is
        wrong; classes a Python integer; returns a scalar.
    Raises: ValueError for unequal shapes, no labels, or labels out of range.
    Also called: balanced accuracy, mean per-class accuracy, mean per-class recall, macro-averaged
        recall.
    Claims: CON-09.
    """
    classes = _arguments.count("classes", classes)
    predictions, labels = _indices("predictions", predictions), _indices("labels", labels)
    _arguments.require(
        predictions.shape == labels.shape and labels.ndim == 1 and labels.size > 0,
        f"predictions and labels must have one shape (n,) with n >= 1, got {predictions.shape} and "
        f"{labels.shape}",
    )
    known = lambda labels: (labels >= 0) & (labels < classes)
    message = lambda labels: (
        f"labels must lie in 0 to {classes - 1}, got {np.unique(labels[~known(labels)])}"
    )
    _arguments.require_that(known, message, labels)
    members = labels[:, None] == jnp.arange(classes)
    counts = members.sum(0)
    right = (members & (predictions == labels)[:, None]).sum(0)
    return (right / jnp.maximum(counts, 1)).sum() / (counts > 0).sum()


def _indices(name: str, value: Any) -> Array:
    value = jnp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.integer):
        raise TypeError(
            f"{name} must be an array of integers, the indices of classes, got {value.dtype}"
        )
    return value


def discriminant(
    means: Float[Array, "k d"], cov: Covariance, *, priors: Float[Array, "k"] | None = None
) -> Discriminant:
    r"""w_c = C^-1 m_c, b_c = -m_c' C^-1 m_c/2 + log prior_c: Bayes' rule for equal covariances.

    The largest score is that of the nearest mean in Mahalanobis distance, and a softmax of the
    scores is p(c | x). A zero-shot classifier is this one where the text vectors are C^-1 m_c and
    equally long in the metric of C.

    Units: means (k, d); cov C in any form of GaussianLaw; priors (k,), positive (default: all
        equal, which adds nothing).
    Domain: a covariance of full rank.
    Raises: ValueError for other shapes, no classes, NaN, an invalid covariance, or priors that are
        not positive.
    Source: Fisher 1936; Hastie, Tibshirani and Friedman 2009.
    Also called: linear discriminant analysis, LDA, Fisher discriminant, Gaussian classifier, Bayes
        classifier.
    Claims: CLP-13.
    """
    means = _arguments.finite("means", means)
    _arguments.require(
        means.ndim == 2 and means.shape[0] >= 1,
        f"means must have shape (k, d) with k >= 1, got {means.shape}",
    )
    weights = apply_to_eigenvalues(
        diagonalise(GaussianLaw(means[0], cov).cov), means, lambda v: 1 / v
    )
    biases = -(means * weights).sum(-1) / 2
    return Discriminant(
        weights, biases if priors is None else biases + jnp.log(_priors(priors, means.shape[0]))
    )


def _priors(priors: Array, k: int) -> Array:
    priors = _arguments.finite("priors", priors)
    _arguments.require(
        priors.shape == (k,),
        f"priors must have shape ({k},), one for each class, got {priors.shape}",
    )
    message = lambda priors: f"priors must be positive, got {priors}; leave out a class of prior 0"
    _arguments.require_that(lambda priors: priors > 0, message, priors)
    return priors


def discriminant_error(means: Float[Array, "2 d"], cov: Covariance) -> Number:
    r"""Phi(-Delta/2), Delta^2 = (m_1 - m_0)' C^-1 (m_1 - m_0): the least error rate of two classes.

    Both classes are equally likely and share the covariance C.

    Units: means (2, d); cov C in any form of GaussianLaw; returns a scalar from 0 to 1/2.
    Domain: a covariance of full rank.
    Raises: ValueError unless there are two means, or for an invalid covariance.
    Source: Fisher's discriminant; Hastie, Tibshirani and Friedman 2009.
    Also called: Bayes error, Mahalanobis distance, error rate of LDA.
    Claims: CLP-13.
    """
    means = _arguments.finite("means", means)
    _arguments.require(
        means.ndim == 2 and means.shape[0] == 2, f"means must have shape (2, d), got {means.shape}"
    )
    first, second = means
    gap = second - first
    white = apply_to_eigenvalues(
        diagonalise(GaussianLaw(gap, cov).cov), gap, lambda v: 1 / jnp.sqrt(v)
    )
    return ndtr(-jnp.sqrt((white**2).sum()) / 2)
