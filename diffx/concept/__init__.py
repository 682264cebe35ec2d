"""Concepts: the algebra of embeddings, the information that they hold, retrieval and zero-shot classification."""

from diffx.concept.algebra import (
    Ranking,
    analogy_cosine,
    concept_direction,
    concept_projection,
    decomposable,
    parallelogram_defect,
    projector,
    rank_words,
)
from diffx.concept.information import Factors, log_odds_ratio, pmi, pmi_embeddings
from diffx.concept.retrieval import Retrieval, RetrievalMetrics, partner_ranks, retrieval_metrics
from diffx.concept.zero_shot import (
    Discriminant,
    discriminant,
    discriminant_error,
    mean_class_recall,
    zero_shot,
    zero_shot_weights,
)

__all__ = [
    "Discriminant",
    "Factors",
    "Ranking",
    "Retrieval",
    "RetrievalMetrics",
    "analogy_cosine",
    "concept_direction",
    "concept_projection",
    "decomposable",
    "discriminant",
    "discriminant_error",
    "log_odds_ratio",
    "mean_class_recall",
    "parallelogram_defect",
    "partner_ranks",
    "pmi",
    "pmi_embeddings",
    "projector",
    "rank_words",
    "retrieval_metrics",
    "zero_shot",
    "zero_shot_weights",
]
