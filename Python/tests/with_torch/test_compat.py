"""The drop-in for the released program's function, against what the released program gave."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open

import flashvid
from flashvid.compat import flashvid_compression
from support import FIXTURES

CASES = sorted((FIXTURES / "golden").glob("*published*.safetensors"))
METHODS = {
    "attention": "attn",
    "diversity": "div",
    "attentionDiversity": "attn_div",
    "attentionDiversityEvent": "attn_div_v2",
}


def released(configuration: dict[str, Any]) -> SimpleNamespace:
    """A configuration in the released program's names."""
    assert configuration["maximum_segment_frames"] == 0
    return SimpleNamespace(
        retention_ratio=configuration["retention_ratio"],
        expansion=configuration["expansion"],
        alpha=configuration["alpha"],
        token_selection_method=METHODS[configuration["selection"]],
        temporal_threshold=configuration["temporal_threshold"],
        do_segment=configuration["segmentation"],
        segment_threshold=configuration["segment_threshold"],
        min_segment_num=configuration["minimum_segments"],
        complementary_segment=configuration["complementary_segments"],
        num_attn_div_tokens=None,
        num_sttm_tokens=None,
        visual_token_length=None,
    )


def test_there_are_cases() -> None:
    assert len(CASES) == 8


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_published_case(path: Path) -> None:
    with safe_open(path, "pt") as file:
        case = {name: file.get_tensor(name) for name in file.keys()}
        configuration = json.loads(file.metadata()["configuration"])
    config = released(configuration)
    features, attention = case["features"].clone(), case["attention"].clone()
    tokens, indices = flashvid_compression(features, attention, config)
    assert indices.equal(case["expected_indices"])
    torch.testing.assert_close(tokens, case["expected_tokens"], rtol=2e-5, atol=2e-5)
    assert features.equal(case["features"]) and attention.equal(case["attention"])
    # What the language model's half reads.
    assert config.visual_token_length == len(tokens)
    frames, count, _ = features.shape
    budget = config.num_attn_div_tokens + config.num_sttm_tokens
    most = flashvid.output_token_count(frames, count, retention=config.retention_ratio, expansion=config.expansion)
    assert budget * frames == most and config.num_attn_div_tokens >= config.alpha * budget


class Method(str, Enum):
    ADTS = "attn_div"


def test_configurations(clip: Any) -> None:
    features, attention = (torch.from_numpy(array) for array in clip())
    bare, enumerated = SimpleNamespace(), SimpleNamespace(token_selection_method=Method.ADTS)
    default = flashvid_compression(features, attention, bare)
    assert default[1].equal(flashvid_compression(features, attention, enumerated)[1])
    with pytest.raises(flashvid.Error, match="token_selection_method is 'best'"):
        flashvid_compression(features, attention, SimpleNamespace(token_selection_method="best"))
    tokens, indices = flashvid_compression(features, attention, bare, semantics="definition")
    expected = flashvid.compress(features, attention, selection="attentionDiversity")
    assert indices.equal(expected.indices) and tokens.equal(expected.tokens)


def test_types_and_none(clip: Any) -> None:
    features, attention = (torch.from_numpy(array) for array in clip())
    tokens, indices = flashvid_compression(features.bfloat16(), attention.bfloat16(), SimpleNamespace())
    assert tokens.dtype is torch.bfloat16 and indices.dtype is torch.int64
    flashvid_compression(features, None, SimpleNamespace(token_selection_method="div"))
