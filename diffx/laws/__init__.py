"""Laws of data, their marginals under a process, and the distances of Gaussians.

Each file stands on those before it: covariance, gaussian, mixture, point_set, marginals, distances.
"""

from diffx.laws.covariance import LowRank as LowRank
from diffx.laws.distances import kl as kl, w2 as w2
from diffx.laws.gaussian import GaussianLaw as GaussianLaw
from diffx.laws.marginals import gaussian_of as gaussian_of, marginal as marginal, prior as prior
from diffx.laws.mixture import MixtureLaw as MixtureLaw
from diffx.laws.point_set import PointSet as PointSet
