"""What is around the compression: attention, pooling, patches, prompts, plans, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from safetensors.numpy import load_file

import flashvid
from flashvid import Error, Status
from support import FIXTURES

ENCODER = FIXTURES / "encoder"


def softmax(logits: Any) -> Any:
    raised = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def received(queries: Any, keys: Any, scale: float) -> Any:
    """[F, H, N, N] attention in double precision."""
    return softmax(numpy.einsum("fhqe,fhke->fhqk", queries.astype("f8"), keys.astype("f8")) * scale)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_attention_scores(dtype: str) -> None:
    queries, keys = numpy.random.default_rng(0).standard_normal((2, 3, 4, 20, 16)).astype(dtype)
    full = received(queries, keys, 0.25)
    numpy.testing.assert_allclose(flashvid.attention_scores(queries, keys), full.mean(axis=(1, 2)), rtol=1e-5)
    numpy.testing.assert_allclose(
        flashvid.attention_scores(queries, keys, skip=3), full.mean(axis=(1, 2))[:, 3:], rtol=1e-5
    )
    numpy.testing.assert_allclose(
        flashvid.attention_scores(queries, keys, query=0, skip=1), full[:, :, 0].mean(axis=1)[:, 1:], rtol=1e-5
    )
    numpy.testing.assert_allclose(
        flashvid.attention_scores(queries, keys, scale=-0.5), received(queries, keys, -0.5).mean(axis=(1, 2)), rtol=1e-5
    )


def test_attention_scores_of_a_real_encoder() -> None:
    layer = load_file(ENCODER / "attention.safetensors")
    scores = flashvid.attention_scores(
        layer["query"], layer["key"], skip=layer["query"].shape[2] - layer["attention"].shape[1]
    )
    numpy.testing.assert_allclose(scores, layer["attention"], rtol=1e-5)


def test_attention_scores_of_other_layouts() -> None:
    queries, keys = numpy.random.default_rng(1).standard_normal((2, 3, 20, 4, 16), dtype=numpy.float32)
    there = flashvid.attention_scores(queries.swapaxes(1, 2), keys.swapaxes(1, 2))
    copied = flashvid.attention_scores(
        numpy.ascontiguousarray(queries.swapaxes(1, 2)), numpy.asfortranarray(keys.swapaxes(1, 2))
    )
    assert (there == copied).all()


def test_what_attention_scores_refuse() -> None:
    queries = numpy.ones((1, 2, 5, 8), dtype=numpy.float32)
    for arguments, status in [
        ({"skip": 6}, Status.OUT_OF_RANGE),
        ({"skip": -1}, Status.OUT_OF_RANGE),
        ({"query": 5}, Status.OUT_OF_RANGE),
        ({"query": -1}, Status.OUT_OF_RANGE),
        ({"scale": 0}, Status.INVALID_CONFIGURATION),
        ({"scale": 1e31}, Status.INVALID_CONFIGURATION),
        ({"threads": 100}, Status.INVALID_ARGUMENT),
    ]:
        with pytest.raises(Error) as caught:
            flashvid.attention_scores(queries, queries, **arguments)  # type: ignore[arg-type]
        assert caught.value.status is status, arguments
    with pytest.raises(Error, match="keys have the shape"):
        flashvid.attention_scores(queries, queries[:, :, :4])


def test_last_query_scores_and_pruning() -> None:
    random = numpy.random.default_rng(2)
    query = random.standard_normal((6, 16), dtype=numpy.float32)
    keys = random.standard_normal((2, 50, 16), dtype=numpy.float32)
    logits = numpy.einsum("he,hke->hk", query.astype("f8"), keys.repeat(3, axis=0).astype("f8")) / 4
    expected = softmax(logits).mean(axis=0)
    numpy.testing.assert_allclose(flashvid.last_query_scores(query, keys), expected, rtol=1e-5)
    places = [7, 3, 3, 49]
    scores = flashvid.last_query_scores(query, keys, places)
    numpy.testing.assert_allclose(scores, expected[places], rtol=1e-5)
    assert flashvid.last_query_scores(query, keys, []).shape == (0,)
    by_position = flashvid.last_query_scores(query, numpy.ascontiguousarray(keys.swapaxes(0, 1)).swapaxes(0, 1))
    numpy.testing.assert_allclose(by_position, expected, rtol=1e-5)
    with pytest.raises(Error, match="expected 0 to 49") as caught:
        flashvid.last_query_scores(query, keys, [50])
    assert caught.value.status is Status.OUT_OF_RANGE
    with pytest.raises(Error) as caught:
        flashvid.last_query_scores(query[:5], keys)
    assert caught.value.status is Status.INVALID_SHAPE

    kept = flashvid.prune(expected.astype("float32"), 0.3)
    assert kept.tolist() == sorted(numpy.argsort(-expected, kind="stable")[:15].tolist())
    assert flashvid.prune(numpy.ones(8, dtype=numpy.float32), 0.5).tolist() == [0, 1, 2, 3]
    for ratio in (0, 1.01, float("nan")):
        with pytest.raises(Error) as caught:
            flashvid.prune(numpy.ones(8, dtype=numpy.float32), ratio)
        assert caught.value.status is Status.INVALID_CONFIGURATION


def test_pooling() -> None:
    clip, pooled = load_file(ENCODER / "grid-27x27.safetensors"), load_file(ENCODER / "pooled.safetensors")
    for pooling in ("bilinear", "average", "max"):
        features, attention = flashvid.pool(clip["features"], clip["attention"], pooling=pooling, dtype="float32")
        names = [name for name in pooled if pooling in name]
        assert names
        for name in names:
            found = attention if "attention" in name else features
            numpy.testing.assert_allclose(found.reshape(pooled[name].shape), pooled[name], rtol=1e-5, atol=1e-6)
    alone = flashvid.pool(clip["features"])
    assert (
        alone.features.dtype == clip["features"].dtype
        and alone.attention is None
        and alone.features.shape == (2, 196, clip["features"].shape[2])
    )
    with pytest.raises(Error, match="square") as caught:
        flashvid.pool(clip["features"][:, :700])
    assert caught.value.status is Status.INVALID_SHAPE


@pytest.mark.parametrize("rows, columns", [(8, 8), (22, 46), (46, 34), (2, 2)])
def test_patches(rows: int, columns: int) -> None:
    grid = flashvid.PatchGrid.preset("qwen2.5-vl", rows, columns)
    assert (grid.window_pixels, grid.patch_pixels, grid.merge_size) == (112, 14, 2)
    # Windows of 4 x 4 tokens, numbered in the order in which the encoder has them.
    high, wide = rows // 2, columns // 2
    tokens = numpy.arange(high * wide).reshape(high, wide)
    encoder = numpy.concatenate(
        [tokens[top : top + 4, left : left + 4].ravel() for top in range(0, high, 4) for left in range(0, wide, 4)]
    )
    assert grid.encoder_order().tolist() == encoder.tolist()
    assert (encoder[grid.reading_order()] == numpy.arange(high * wide)).all()
    scores = numpy.random.default_rng(0).random((3, rows * columns), dtype=numpy.float32)
    means = scores.reshape(3, -1, 4).mean(axis=2)[:, grid.reading_order()]
    numpy.testing.assert_allclose(grid.attention(scores), means, rtol=1e-6)
    numpy.testing.assert_allclose(flashvid.group_attention(scores, 4, grid.reading_order()), means, rtol=1e-6)
    wider = numpy.repeat(scores, 2, axis=1)[:, ::2]
    numpy.testing.assert_allclose(grid.attention(wider), means, rtol=1e-6)


def test_what_patches_refuse() -> None:
    with pytest.raises(Error) as caught:
        flashvid.PatchGrid.preset("qwen2.5-vl", 7, 8).reading_order()
    assert caught.value.status is Status.INVALID_SHAPE
    with pytest.raises(Error):
        flashvid.PatchGrid.preset("llava-video", 8, 8)
    for grid in (flashvid.PatchGrid(8, 8, 0), flashvid.PatchGrid(-8, 8), flashvid.PatchGrid(2**40, 2**40)):
        with pytest.raises((Error, MemoryError)):
            grid.reading_order()
    with pytest.raises(Error, match="expected 64"):
        flashvid.PatchGrid(8, 8).attention(numpy.ones((1, 60), dtype=numpy.float32))
    for group, order in [(0, None), (3, None), (4, [0] * 4), (4, [0, 1, 2, 9])]:
        with pytest.raises(Error):
            flashvid.group_attention(numpy.ones((1, 16), dtype=numpy.float32), group, order)


def test_a_prompt(clip: Any) -> None:
    features, attention = clip(frames=4, tokens=9, channels=16)
    video = flashvid.compress(features, attention, retention=0.3)
    prompt = flashvid.Prompt(length=60, frames=4, tokens_per_frame=9, video_start=10, newlines="after-video")
    kept = prompt.keep(video.indices, first_position=100)
    rows = len(video)
    expected = [*range(10), *(10 + video.indices), *range(46, 60)]
    assert kept.positions.tolist() == expected and prompt.count(rows) == len(expected)
    assert kept.rows.tolist() == [-1] * 10 + list(range(rows)) + [-1] * 14
    assert kept.renumbered.tolist() == list(range(100, 100 + len(expected)))
    assert kept.visual_places.tolist() == list(range(10, 10 + rows))
    places = flashvid.prune_prompt(kept.rows, [0, 2, rows - 1])
    assert places.tolist() == [*range(10), 10, 12, 9 + rows, *range(10 + rows, 24 + rows)]
    # The same video, found by its token.
    ids = numpy.full(60, 2**40)
    ids[10:46] = 151656
    by_token = flashvid.Prompt(length=60, frames=4, tokens_per_frame=9, tokens=ids, video_token=151656)
    assert by_token.keep(video.indices).positions.tolist() == expected
    # And with frames apart.
    apart = flashvid.Prompt(length=60, frames=4, tokens_per_frame=9, frame_starts=[3, 13, 23, 33])
    assert apart.keep([0, 10, 35]).visual_places.tolist() == [3, 5, 8]


def test_what_prompts_refuse() -> None:
    prompt = flashvid.Prompt(length=20, frames=2, tokens_per_frame=9, video_start=5)
    with pytest.raises(Error) as caught:
        prompt.keep([1])
    assert caught.value.status is Status.INVALID_SHAPE
    prompt = flashvid.Prompt(length=30, frames=2, tokens_per_frame=9, video_start=5)
    for indices, status in [([18], Status.OUT_OF_RANGE), ([-1], Status.OUT_OF_RANGE), ([3, 2], Status.INVALID_ORDER)]:
        with pytest.raises(Error) as caught:
            prompt.keep(indices)
        assert caught.value.status is status
    with pytest.raises(TypeError, match="expected integers"):
        prompt.keep([0.5])
    with pytest.raises(Error, match="3 frame_starts; expected 2"):
        flashvid.Prompt(length=30, frames=2, tokens_per_frame=9, frame_starts=[1, 2, 3]).keep([0])
    with pytest.raises(Error):
        flashvid.prune_prompt([-1, 0, 1], [2])
    with pytest.raises(Error, match="newlines is 'many'"):
        flashvid.video_rows([0], 1, 1, "many")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "model, newlines", [("llava-onevision", "after-video"), ("llava-video", "after-frame"), ("qwen3-vl", "none")]
)
def test_newlines(model: Any, newlines: Any) -> None:
    assert flashvid.Prompt.newlines_of(model) == newlines
    rows = flashvid.video_rows([1, 2, 6], 3, 4, newlines).tolist()
    assert rows == {"after-video": [0, 1, 2, -1], "after-frame": [0, 1, -1, 2, -1, -1], "none": [0, 1, 2]}[newlines]


def test_plans() -> None:
    assert flashvid.plan_average(28, 20, 0.3, flashvid.plan_expansion(28, 20, 0.3, 0.8)) == pytest.approx(0.8)
    room = flashvid.Context(positions=8192, tokens_per_frame=196, overhead_per_frame=1, other_positions=200)
    frames = room.frames(retention=0.1)
    assert frames == (8192 - 200) // (25 + 1) and room.uncompressed_frames() == (8192 - 200) // 197
    ratio = room.retention(100)
    assert room.frames(retention=ratio) >= 100 > room.frames(retention=ratio * 1.05)
    model = flashvid.HostModel.preset("llava-onevision")
    plan, without = model.plan(0.10, 20), model.plan(None, 20)
    assert plan.visual_tokens == flashvid.output_token_count(32, 196, retention=0.1) == 800
    assert without.visual_tokens == 6272 and without.work_share == 1
    assert plan.prefill_work == model.prefill_work(800, plan.prompt_length - 800)
    assert 0.05 < plan.work_share < 0.2
    assert model.break_even(0.1, 0.002, 1e12) >= 1
    for bad in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(Error) as caught:
            model.plan(bad)
        assert caught.value.status is Status.INVALID_CONFIGURATION
    with pytest.raises(Error) as caught:
        flashvid.Context(positions=10, tokens_per_frame=196).frames(retention=0.1)
    assert caught.value.status is Status.IMPOSSIBLE
    with pytest.raises(Error) as caught:
        flashvid.plan_expansion(28, 29, 0.3)
    assert caught.value.status is Status.OUT_OF_RANGE
