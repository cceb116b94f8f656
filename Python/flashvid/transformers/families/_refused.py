"""Families that do not work, and why; by `config.model_type`."""

_WHOLE = "the whole model; pass its thinker, `model.thinker`"
_MINICPM = "its encoder packs frames of any size into one line and pools them in windows, so a video has no grid of tokens"
_UNTRIED = "a video language model of transformers that was not tried with this package"

REFUSED: dict[str, str] = {
    "qwen2_5_omni": _WHOLE,
    "qwen3_omni_moe": _WHOLE,
    "kimi_k25": "its encoder averages the frames of a chunk, so a clip has one frame",
    "minicpmv4_6": _MINICPM,
    "minicpmv4_7": _MINICPM,
    "minicpm_ocr": _MINICPM,
    "molmo2": "its pooling adapter gathers patches by lists of its processor's, so tokens have no grid",
    "nemotron_h_omni": "its language model is a hybrid of state spaces, and its video tokens are pruned by a rule of its own",
    "instructblipvideo": "a Q-Former gives each frame 32 rows that stand for no place in it",
    "cosmos3_edge": _UNTRIED,
    "dots3_note": _UNTRIED,
    "gemma4_unified": _UNTRIED,
    "glm5_next": _UNTRIED,
    "glm_ocr": _UNTRIED,
    "hy_v4_vl": _UNTRIED,
    "lfm3_vl": _UNTRIED,
    "minimax_m3_vl": _UNTRIED,
    "muse_glimmer": _UNTRIED,
    "muse_spark": _UNTRIED,
    "qianfan_ocr": _UNTRIED,
    "qwen4_exp": _UNTRIED,
}
