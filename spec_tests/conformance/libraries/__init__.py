"""A folder for each library: adapter.py and its parts, snippets.py, notes.toml, record.json.

adapter.py drives the current release through its public interface. It offers LIBRARY, version(),
and any of samplers(), processes(), guidances(), log_probs(), losses(): generators of Targets. It
imports its library at the top: where that fails, the kit says in one line how to get it.
snippets.py holds the few lines of that library alone that reproduce a failure, notes.toml what was
declared or checked by hand, record.json what --keep wrote. Helpers that several libraries share are
in _torch.py, _jax.py, _gloo.py and _dpm.py.
"""

from pathlib import Path

FOLDER = Path(__file__).parent

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


def libraries() -> list[str]:
    """The libraries with an adapter here."""
    return sorted(path.parent.name for path in FOLDER.glob("*/adapter.py"))


def kept_records() -> dict[str, Path]:
    """The kept records, by library."""
    return {path.parent.name: path for path in sorted(FOLDER.glob("*/record.json"))}
