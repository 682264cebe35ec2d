r"""Concepts: the algebra of embeddings, their information, retrieval, zero-shot classification."""

from diffx.concepts.algebra import (
    Ranking as Ranking,
    analogy_cosine as analogy_cosine,
    concept_direction as concept_direction,
    concept_projection as concept_projection,
    decomposable as decomposable,
    parallelogram_defect as parallelogram_defect,
    projector as projector,
    rank_words as rank_words,
)
from diffx.concepts.classification import (
    Discriminant as Discriminant,
    discriminant as discriminant,
    discriminant_error as discriminant_error,
    mean_class_recall as mean_class_recall,
    zero_shot as zero_shot,
    zero_shot_weights as zero_shot_weights,
)
from diffx.concepts.pointwise_information import (
    Factors as Factors,
    log_odds_ratio as log_odds_ratio,
    pmi as pmi,
    pmi_embeddings as pmi_embeddings,
)
from diffx.concepts.retrieval import (
    Retrieval as Retrieval,
    RetrievalMetrics as RetrievalMetrics,
    partner_ranks as partner_ranks,
    retrieval_metrics as retrieval_metrics,
)
