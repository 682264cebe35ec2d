"""Where to find it: subjects in the words of the field, and the names that belong to them. In
backticks a name of diffx.
"""

SUBJECTS: dict[str, str] = {
    "forward processes": (
        "`VP` `CosineVP` `SubVP` `VE` `EDM` `RectifiedFlow` `Trig` `SigmoidVP` `DDPMChain`; "
        "`perturb` (add noise) `transition` `Process`; schedules of betas `linear_betas` "
        "`scaled_linear_betas` "
        "`cosine_betas` `zero_terminal_snr` `respace`"
    ),
    "predictions": (
        "x0, eps, score, v, velocity: all 20 conversions, such as `x0_of_eps` `score_of_v` "
        "`velocity_of_x0`; networks as denoisers `denoiser_of_eps` `denoiser_of_v` "
        "`denoiser_of_velocity` `denoiser_of_score`"
    ),
    "laws of data": (
        "`GaussianLaw` (full, diagonal, scalar, `LowRank`) `MixtureLaw` `PointSet`; `marginal` "
        "`prior`; distances `w2` `kl`"
    ),
    "exact answers": "`denoiser` `score` `posterior` `exact_flow` `exact_law` `error_budget`",
    "training": (
        "`eps_loss` `v_loss` `x0_loss` `score_loss` `velocity_loss`, each with its least value, "
        "such as `optimal_eps_loss`; `preconditioning` `loss_weights` `min_snr_weight` "
        "`drop_labels`; `train`"
    ),
    "samplers of the ODE": (
        "`ddim` `euler` `heun` `dpm_solver` (orders 1 to 3) `dpm_solver_pp` (1, 2M, 3M) "
        "`dpm_solver_pp_single` (2S, 3S) `deis` (1 to 4) `unipc` `unipc_bh1` (1 to 3) `lms` (1 "
        "to 4) `flow_euler`; `ddim_invert`; guided `cfg_pp`"
    ),
    "samplers of the SDE": (
        "`ddpm` `ddpm_beta` `ddpm_optimal` `analytic_ddpm` `ddim` (with eta) `euler_maruyama` "
        "`exponential_sde` `sde_dpm_solver` `sde_dpm_solver_pp` (1, 2M) `sde_dpm_solver_pp_2s` "
        "`edm_stochastic` `euler_ancestral` `dpm2_ancestral` `predictor_corrector` "
        "`langevin_corrector` `restart`"
    ),
    "running a sampler": (
        "`sample` (draws its noise) `fold` (is given it) `keep_x` `keep_x0`; `Sampler` `State` "
        "`Info`; `with_past`: an exact start for multi-step methods"
    ),
    "adaptive steps": "`solve_flow` `solve_sde`: our fields by diffrax (the extra ``adaptive``)",
    "time grids": (
        "`uniform` `uniform_log_snr` `karras` `leading` `linspace` `trailing` `equal_angle` "
        "`time_shift` `flow_grid`"
    ),
    "likelihood": (
        "`log_prob_ode` (exact trace or probes) `log_prob_discrete` `divergence` `hutchinson` "
        "`bits_per_dim`; the ELBO: `nelbo` `vlb_term` `prior_kl` `elbo_gap`"
    ),
    "information": (
        "`mmse_curve` `entropy` `mutual_information` `surprisal` `mmse_gap` `kl_rate` "
        "`entropy_rate` `path_kl`, all from denoisers"
    ),
    "flow matching": (
        "`conditional_velocity` `marginal_velocity` `cfm_loss` `logit_normal_times` "
        "`ot_coupling` `gaussian_ot_map` `reflow_pairs` `straightness` `Interpolant`; the "
        "settings ``WAN`` and ``SD3`` (`FlowSettings`)"
    ),
    "guidance": (
        "`cfg` `guide` `guide_net` `guide_interval` `guide_rescaled` `guide_apg` `compose` "
        "`classifier_guidance`; exact laws `guided_flow_law` `guided_sde_law` `tilted_law`"
    ),
    "contrastive losses": (
        "`clip_loss` `siglip_loss`, of any scores `info_nce` `sigmoid_nce`; `tiled_clip_loss` "
        "`tiled_siglip_loss` in memory O(tile^2 + N d), `sharded_clip_loss` "
        "`sharded_siglip_loss` on a mesh of devices, equal in value and in every gradient; "
        "`clamp_log_scale`"
    ),
    "what contrast learns": (
        "`info_nce_bound` `gaussian_information` `gaussian_pmi` `von_mises_information` "
        "`log_sphere_mean`"
    ),
    "concepts": (
        "`concept_direction` `rank_words` `retrieval_metrics` (ties and NaN count against) "
        "`zero_shot` `discriminant` `pmi` `pmi_embeddings` `parallelogram_defect` "
        "`concept_projection`"
    ),
    "checks of other code": (
        "`check_sampler` `check_process` `check_guidance` `check_contrastive_loss` "
        "`check_log_prob` `check_samples` `require_holds`"
    ),
    "data": "`miniworld` `encode_words` `emoji` `digits` `spiral` `spiral_classes`",
    "networks": (
        "`dual_encoder` (with trained weights) `DualEncoder` `TimeMLP` `load_weights` "
        "`save_weights`"
    ),
}
