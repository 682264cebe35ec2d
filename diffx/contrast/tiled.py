r"""Contrastive losses in blocks: memory O(tile^2 + N d), where the dense forms need O(N^2)."""

from diffx import _arguments
from diffx._types import Number, Scalar
from diffx.contrast._batch import Mask, Positives, embeddings, offset
from diffx.contrast._block_losses import clip_of_blocks, sides, siglip_of_blocks
from diffx.contrast.scores import Embeddings


def tiled_clip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    tile: int,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""L = mean_i (r_i + c_i)/2 - S_ii: clip_loss by tile x tile blocks of scores.

    r_i = log sum_j exp S_ij and c_j = log sum_i exp S_ij are summed block after block, and the
    blocks are recomputed for the derivative. jvp, grad and hessian are exact.

    Units: tile a Python integer, not necessarily a divisor of N (256 suits a CPU, 8192 an H200 at
        N = 65,536); the other arguments are those of clip_loss.
    Domain: tile >= 1.
    Raises: what clip_loss raises.
    Source: the formula is clip_loss's; blocks as in Cheng et al. 2024, arXiv:2410.17243; the
        derivative is derived here.
    Also called: memory-efficient contrastive loss, chunked CLIP loss, blockwise contrastive loss,
        Inf-CL.
    Claims: CLP-11.
    """
    x, y, log_scale = embeddings(images, texts, log_scale)
    own = y if positives is None else None
    return clip_of_blocks(
        *sides(x, y, positives, mask), log_scale, tile=_arguments.count("tile", tile), own=own
    )


def tiled_siglip_loss(
    images: Embeddings,
    texts: Embeddings,
    *,
    log_scale: Scalar,
    bias: Scalar,
    tile: int,
    positives: Positives = None,
    mask: Mask = None,
) -> Number:
    r"""siglip_loss by tile x tile blocks of scores, which are recomputed for the derivative.

    Units: tile as for tiled_clip_loss; the other arguments are those of siglip_loss.
    Raises: what siglip_loss raises.
    Also called: memory-efficient sigmoid loss, chunked SigLIP loss.
    Claims: CLP-11.
    """
    x, y, log_scale = embeddings(images, texts, log_scale)
    here = sides(x, y, positives, mask)
    return siglip_of_blocks(*here, log_scale, offset(bias, x), tile=_arguments.count("tile", tile))
