"""Qwen3.5 in vLLM, with its videos compressed: Qwen3-VL's way to write a video, and no DeepStack."""

from __future__ import annotations

from vllm.model_executor.models.qwen3_5 import (
    Qwen3_5ForConditionalGeneration,
    Qwen3_5MoeForConditionalGeneration,
    Qwen3_5MoeProcessingInfo,
    Qwen3_5ProcessingInfo,
)
from vllm.model_executor.models.qwen3_vl import Qwen3VLDummyInputsBuilder, Qwen3VLMultiModalProcessor
from vllm.multimodal import MULTIMODAL_REGISTRY

from .qwen3_vl import Compressed


@MULTIMODAL_REGISTRY.register_processor(
    Qwen3VLMultiModalProcessor, info=Qwen3_5ProcessingInfo, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class FlashVIDQwen3_5(Compressed, Qwen3_5ForConditionalGeneration):  # noqa: N801: vLLM's way to name them
    pass


@MULTIMODAL_REGISTRY.register_processor(
    Qwen3VLMultiModalProcessor, info=Qwen3_5MoeProcessingInfo, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class FlashVIDQwen3_5_MoE(Compressed, Qwen3_5MoeForConditionalGeneration):  # noqa: N801: vLLM's way to name them
    pass
