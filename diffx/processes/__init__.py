r"""Forward processes x_t = alpha(t) x_0 + sigma(t) eps: one file for each family."""

from diffx.processes.betas import (
    alpha_bar as alpha_bar,
    cosine_betas as cosine_betas,
    linear_betas as linear_betas,
    respace as respace,
    scaled_linear_betas as scaled_linear_betas,
    zero_terminal_snr as zero_terminal_snr,
)
from diffx.processes.cosine import CosineVP as CosineVP
from diffx.processes.ddpm_chain import DDPMChain as DDPMChain
from diffx.processes.edm import EDM as EDM
from diffx.processes.protocol import (
    Process as Process,
    gaussian_path as gaussian_path,
    log_snr_density as log_snr_density,
    perturb as perturb,
    rates as rates,
    transition as transition,
)
from diffx.processes.rectified_flow import RectifiedFlow as RectifiedFlow
from diffx.processes.sigmoid import SigmoidVP as SigmoidVP
from diffx.processes.sub_vp import SubVP as SubVP
from diffx.processes.trig import Trig as Trig
from diffx.processes.ve import VE as VE
from diffx.processes.vp import VP as VP
