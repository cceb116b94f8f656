"""Torch tensors in, torch tensors out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy
import pytest
import torch

import flashvid
from flashvid._tensors import read
from support import same

TYPES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: ml_dtypes.bfloat16}


def as_tensor(array: Any) -> torch.Tensor:
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(array)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_types(clip: Any, dtype: torch.dtype) -> None:
    features, attention = clip(dtype=TYPES[dtype])
    result = flashvid.compress(as_tensor(features), torch.from_numpy(attention).to(dtype))
    assert result.tokens.dtype is dtype
    assert result.assignment is not None and result.counts is not None
    for tensor in (result.indices, result.counts, result.assignment, result.parents, result.segment_lengths):
        assert isinstance(tensor, torch.Tensor) and tensor.dtype is torch.int64
    expected = flashvid.compress(features, attention.astype(TYPES[dtype]))
    assert same(result, expected)
    assert repr(result) == repr(expected)


LAYOUTS: dict[str, tuple[Any, bool]] = {
    "every other token": (lambda x: x.repeat_interleave(2, dim=1)[:, ::2], True),
    "frames and tokens swapped": (lambda x: x.transpose(0, 1).contiguous().transpose(0, 1), True),
    "behind a [CLS] token": (lambda x: torch.cat([x[:, :1], x], dim=1)[:, 1:], True),
    "channels first": (lambda x: x.transpose(1, 2).contiguous().transpose(1, 2), False),
    "expanded": (lambda x: x[:1].expand(x.shape), False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(clip: Any, layout: str) -> None:
    features, attention = clip()
    arrange, in_place = LAYOUTS[layout]
    arranged = arrange(torch.from_numpy(features))
    expected = flashvid.compress(arranged.contiguous(), torch.from_numpy(attention))
    assert same(flashvid.compress(arranged, attention), expected)
    operand = read(arranged, "features", "frames, tokens, channels")
    assert (operand.address == arranged.data_ptr()) is in_place


def test_tensors_that_are_part_of_a_graph(clip: Any) -> None:
    features = torch.from_numpy(clip()[0]).requires_grad_()
    result = flashvid.compress(features * 2)
    assert not result.tokens.requires_grad
    with torch.inference_mode():
        flashvid.compress(torch.from_numpy(clip()[0]))
    flashvid.compress(torch.nn.Parameter(torch.from_numpy(clip()[0])))


def test_what_is_refused(clip: Any) -> None:
    features = torch.from_numpy(clip()[0])
    for wrong, text in [
        (features.double(), "float64"),
        (features.to(torch.int32), "int32"),
        (features.to("meta"), "meta device"),
        (features.to_sparse(), "sparse"),
        (features.to(torch.complex64), "complex64"),
    ]:
        with pytest.raises(TypeError, match=text):
            flashvid.compress(wrong)
    with pytest.raises(flashvid.Error, match="0 frames"):
        flashvid.compress(features[:0])


def test_rows_of_another_type(clip: Any) -> None:
    features = torch.from_numpy(clip()[0])
    assert flashvid.compress(features, dtype=torch.bfloat16).tokens.dtype is torch.bfloat16
    assert flashvid.compress(features.bfloat16(), dtype=torch.float32).tokens.dtype is torch.float32


def test_what_is_around(clip: Any) -> None:
    features, attention = clip(frames=2, tokens=25, channels=8)
    pooled = flashvid.pool(torch.from_numpy(features).bfloat16(), torch.from_numpy(attention))
    assert pooled.features.dtype is torch.bfloat16 and pooled.features.shape == (2, 9, 8)
    queries = torch.randn(2, 3, 25, 8)
    scores = flashvid.attention_scores(queries, queries)
    expected = torch.softmax(queries @ queries.mT / 8**0.5, dim=-1).mean(dim=(1, 2))
    torch.testing.assert_close(scores, expected)
    assert flashvid.prune(scores[0], 0.2).dtype is torch.int64
    grid = flashvid.PatchGrid.preset("qwen3-vl", 4, 4)
    assert isinstance(grid.attention(torch.rand(2, 16)), torch.Tensor)
    assert isinstance(flashvid.group_attention(torch.rand(2, 16), 4, torch.tensor([3, 2, 1, 0])), torch.Tensor)
    video = flashvid.compress(torch.from_numpy(features), retention=0.2)
    kept = flashvid.Prompt(length=60, frames=2, tokens_per_frame=25, video_start=5).keep(video.indices)
    assert isinstance(flashvid.prune_prompt(kept.rows, torch.tensor([0, 1])), torch.Tensor)
    assert isinstance(flashvid.video_rows(video.indices, 2, 25, "after-frame"), torch.Tensor)


def test_streams(clip: Any) -> None:
    features = torch.from_numpy(clip(frames=9)[0]).bfloat16()
    fields: Any = {"maximum_segment_frames": 4, "complementary_segments": False}
    with flashvid.Stream(25, 48, dtype=torch.bfloat16, **fields) as stream:
        segments = [segment for frame in features for segment in stream.push(frame)] + stream.finish()
    tokens = torch.cat([segment.tokens for segment in segments])
    assert tokens.equal(flashvid.compress(features, **fields).tokens)


def test_results_share_nothing_with_the_features() -> None:
    features = torch.randn(4, 16, 32)
    kept = features.clone()
    result = flashvid.compress(features, retention=1.0, expansion=1.0)
    result.tokens.zero_()
    assert features.equal(kept)


def test_torch_is_imported_by_nobody_but_the_caller() -> None:
    program = (
        "import sys, numpy, flashvid, flashvid.compat\n"
        "flashvid.compress(numpy.random.rand(4, 16, 8).astype('f4'))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_beside_torchs_threads() -> None:
    """One result whether torch's threads compute at the time or not."""
    features = torch.randn(16, 100, 256)
    expected = flashvid.compress(features, retention=0.2)
    weights = torch.randn(512, 512)
    threads = torch.get_num_threads()
    with flashvid.Compressor(retention=0.2) as compressor:
        for _ in range(10):
            weights @ weights
            assert same(compressor.compress(features), expected)
    assert torch.get_num_threads() == threads
    assert numpy.isfinite(weights.numpy()).all()
