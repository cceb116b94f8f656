"""FlashVID in vLLM: every video of a request enters the language model as FlashVID's rows.

    vllm serve Qwen/Qwen2.5-VL-7B-Instruct --video-pruning-rate 0.9 \\
        --hf-overrides '{"architectures": ["FlashVIDQwen2_5_VL"]}'

vLLM finds this package by itself, through its entry point.
"""

from __future__ import annotations

from ._version import problem

#: The models, by the names under which vLLM's `architectures` knows them.
ARCHITECTURES = {
    "FlashVIDQwen2_5_VL": "flashvid.vllm.qwen2_5_vl:FlashVIDQwen2_5_VL",
    "FlashVIDQwen3_VL": "flashvid.vllm.qwen3_vl:FlashVIDQwen3_VL",
    "FlashVIDQwen3_VL_MoE": "flashvid.vllm.qwen3_vl_moe:FlashVIDQwen3_VL_MoE",
    "FlashVIDQwen3_5": "flashvid.vllm.qwen3_5:FlashVIDQwen3_5",
    "FlashVIDQwen3_5_MoE": "flashvid.vllm.qwen3_5:FlashVIDQwen3_5_MoE",
}

__all__ = ["ARCHITECTURES", "register"]


def register() -> None:
    """Makes vLLM know the models: vLLM calls this in each of its processes, and maybe more than once.

    Where they cannot work their names are known all the same, and refuse with the reason: whoever serves another model is
    not disturbed.
    """
    from vllm import ModelRegistry

    working = problem() is None
    for architecture, place in ARCHITECTURES.items():
        ModelRegistry.register_model(architecture, place if working else f"flashvid.vllm._refused:{architecture}")
    if working:
        from ._engine import prepare

        prepare()
