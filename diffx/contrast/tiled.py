r"""Contrastive losses in blocks: their memory is O(tile^2 + N d), where the dense forms hold tables
of N^2 scores.
"""

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
    r"""clip_loss by tile x tile blocks of scores, which are made again for the derivative: L = mean
    (r_i + c_i)/2 - S_ii.

    r_i = log sum_j exp S_ij and c_j = log sum_i exp S_ij are summed block after block.  tile: a
    Python integer >= 1, not necessarily a divisor of N; 256 suits a CPU, 8192 an H200 at N =
    65,536.  The other arguments and errors are those of clip_loss.  jvp, grad and hessian are
    exact.  Source: the formula is clip_loss's; blocks as in Cheng et al. 2024, arXiv:2410.17243;
    the derivative is derived here.  Claims: CLP-11.
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
    r"""siglip_loss by tile x tile blocks of scores, which are made again for the derivative.

    tile: as for tiled_clip_loss; the other arguments and errors are those of siglip_loss.  Claims:
    CLP-11.
    """
    x, y, log_scale = embeddings(images, texts, log_scale)
    here = sides(x, y, positives, mask)
    return siglip_of_blocks(*here, log_scale, offset(bias, x), tile=_arguments.count("tile", tile))
