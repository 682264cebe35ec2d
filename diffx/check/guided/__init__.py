"""The combination of two predictions."""

from diffx.check.guided.claims import check_guidance as check_guidance
