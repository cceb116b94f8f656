"""A model to try things on, without a download."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration
from transformers.modeling_utils import PreTrainedModel


def example(frames: int = 16) -> tuple[PreTrainedModel, dict[str, Tensor]]:
    """A LLaVA-OneVision of random numbers, with little in its layers, and a prompt with a video of noise for it.

    Args:
        frames: F, at least 1; each becomes 196 tokens.

    Returns:
        The model, and what its processor would make of the prompt: L = 7 + F * 196 + 1 + 9 tokens.
    """
    torch.manual_seed(0)
    text = dict(
        model_type="qwen2", vocab_size=160, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=32768, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    vision = dict(
        model_type="siglip_vision_model", hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=216, patch_size=8, vision_use_head=False)
    config = LlavaOnevisionConfig(
        text_config=text, vision_config=vision, image_token_id=158, video_token_id=159, vision_feature_layer=-1)
    model = LlavaOnevisionForConditionalGeneration._from_config(config).eval()
    question = torch.randint(3, 150, (16,))
    video = torch.full((frames * 196 + 1,), config.video_token_id)
    ids = torch.cat([question[:7], video, question[7:]])[None]
    pixels = torch.randn(1, 1, 3, 216, 216) + 0.3 * torch.randn(1, frames, 3, 216, 216)
    return model, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values_videos": pixels}
