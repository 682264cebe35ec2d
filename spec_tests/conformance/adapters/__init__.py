"""One short module a library: it drives the current release through its public interface.

A module offers LIBRARY, version(), and any of samplers(), processes(), guidances(), log_probs(),
losses(): generators of Targets. It imports its library at the top: where that fails, the kit says
in one line how to get it. What the adapters of torch libraries share stands in _torch.py.
"""

# How to get each library, in an environment of its own: none of them belongs to ours.
INSTALL = {
    "artifex": "pip install avitai-artifex tfp-nightly  # the package named artifex is another one",
    "azula": "pip install torch azula",
    "diffrax": "pip install diffrax",
    "diffuse_jax": "pip install jax diffuse-jax",
    "diffusers": "pip install torch diffusers",
    "diffusionlab": "pip install diffusionlab  # Python 3.13 or newer",
    "diffusionjax": "pip install jax diffusionjax",
    "flow_matching": "pip install torch flow_matching",
    "hackable_diffusion": (
        "pip install hackable-diffusion  # or --path checkout, with jax flax "
        "immutabledict typeguard"
    ),
    "k_diffusion": "pip install torch k-diffusion",
    "score_sde": (
        "git clone github.com/yang-song/score_sde, pip install jax flax scipy pillow; "
        "--path score_sde"
    ),
    "skrample": "pip install skrample scipy  # Python 3.12 or newer",
    "smalldiffusion": "pip install torch smalldiffusion",
    "memeff": "pip install torch triton memeff",
    "open_clip": "pip install torch open_clip_torch",
    "swirl_dynamics": (
        "git clone github.com/google-research/swirl-dynamics, pip install jax flax; "
        "--path swirl-dynamics"
    ),
    "torchcfm": "pip install torch torchcfm",
    "dpm_solver": (
        "pip install torch; git clone the repository LuChengTHU/dpm-solver; then add "
        "--path dpm-solver"
    ),
    "unipc": "pip install torch; git clone the repository wl-zhao/UniPC; then add --path UniPC",
}
