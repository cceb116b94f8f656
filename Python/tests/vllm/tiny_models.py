"""Tiny models of random weights, as folders that vLLM and transformers load: Qwen2.5-VL, Qwen3-VL, and what derives from it.

    python tiny_models.py DIR
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5MoeConfig,
    Qwen3_5MoeForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)

KINDS = ("qwen2_5_vl", "qwen3_vl")
#: Models that have the others' code for videos, and a language model of their own.
DERIVED = ("qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
#: The markers of a video, and of an image, as a prompt has them.
VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{% if part.type == 'video' %}" + VIDEO +
    "{% elif part.type == 'image' %}" + IMAGE + "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def tokenizer(folder: Path) -> Any:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(alphabet)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    made = Qwen2Tokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), eos_token="<|im_end|>",
        pad_token="<|endoftext|>", additional_special_tokens=SPECIAL)
    made.add_special_tokens({"additional_special_tokens": SPECIAL})
    made.chat_template = CHAT
    made.save_pretrained(folder)
    return made


def make(kind: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number = tokenizer(folder).convert_tokens_to_ids
    tokens = dict(
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"), vision_end_token_id=number("<|vision_end|>"))
    text: dict[str, Any] = dict(
        vocab_size=320, hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=32768, bos_token_id=None, eos_token_id=number("<|im_end|>"),
        initializer_range=0.1, tie_word_embeddings=False)
    vision: dict[str, Any] = dict(
        depth=4, hidden_size=128, intermediate_size=256, num_heads=4, out_hidden_size=128, spatial_merge_size=2,
        temporal_patch_size=2, initializer_range=0.1)
    torch.manual_seed(0)
    model: Any
    if kind == "qwen2_5_vl":
        patch, processor, video_processor = 14, "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor"
        rope: dict[str, Any] = dict(rope_type="default", rope_theta=1e6, mrope_section=[4, 6, 6])
        windows = dict(patch_size=14, window_size=112, fullatt_block_indexes=[1, 3], tokens_per_second=2)
        model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(
            text_config=text | dict(rope_parameters=rope), vision_config=vision | windows, tie_word_embeddings=False,
            **tokens))
    else:
        patch, processor, video_processor = 16, "Qwen3VLProcessor", "Qwen3VLVideoProcessor"
        rope = dict(rope_type="default", rope_theta=5e6, mrope_section=[4, 6, 6], mrope_interleaved=True)
        vision |= dict(patch_size=16, num_position_embeddings=256)
        if "3_5" in kind:
            rope["partial_rotary_factor"] = 0.5
            text |= dict(
                layer_types=["linear_attention", "linear_attention", "full_attention"], linear_num_key_heads=1,
                linear_num_value_heads=2, linear_key_head_dim=128, linear_value_head_dim=128)
        else:
            vision["deepstack_visual_indexes"] = [0, 1, 2]
        if kind.endswith("moe"):
            text |= dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=96, norm_topk_prob=True)
            if "3_5" in kind:
                text["shared_expert_intermediate_size"] = 64
        configuration, architecture = {
            "qwen3_vl": (Qwen3VLConfig, Qwen3VLForConditionalGeneration),
            "qwen3_vl_moe": (Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration),
            "qwen3_5": (Qwen3_5Config, Qwen3_5ForConditionalGeneration),
            "qwen3_5_moe": (Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration),
        }[kind]
        model = architecture(configuration(
            text_config=text | dict(rope_parameters=rope, head_dim=64 if "3_5" in kind else 32), vision_config=vision,
            tie_word_embeddings=False, **tokens))
    model.generation_config.eos_token_id = None
    model.to(torch.float32).save_pretrained(folder)
    if kind == "qwen3_vl_moe":
        # Published checkpoints have them this way round; transformers reads both, vLLM this one.
        file = folder / "model.safetensors"
        weights = load_file(file)
        for name in [name for name in weights if ".experts." in name]:
            weights[name] = weights[name].transpose(1, 2).contiguous()
        save_file(weights, file, {"format": "pt"})

    half: dict[str, Any] = dict(image_mean=[0.5] * 3, image_std=[0.5] * 3)
    common = dict(patch_size=patch, temporal_patch_size=2, merge_size=2, processor_class=processor, **half)
    size = dict(shortest_edge=16 * patch * patch, longest_edge=1 << 24)

    def write(name: str, settings: dict[str, Any]) -> None:
        (folder / name).write_text(json.dumps(settings))

    write("preprocessor_config.json", common | dict(size=size, image_processor_type="Qwen2VLImageProcessor"))
    write(
        "video_preprocessor_config.json",
        common | dict(size=size, video_processor_type=video_processor, do_sample_frames=False))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    write("tokenizer_config.json", settings | dict(processor_class=processor))
    return folder


if __name__ == "__main__":
    for kind in KINDS + DERIVED:
        print(make(kind, Path(sys.argv[1]) / kind))
