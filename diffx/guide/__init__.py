"""Guidance: combine.py what two or more denoisers make together."""

from diffx.guide.combine import cfg, guide, guide_net

__all__ = ["cfg", "guide", "guide_net"]
