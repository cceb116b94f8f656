"""What is wrong with one request ends that request, and what is wrong with the server ends its start, in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answers import Reference
from engine import Job, Result, run
from requests_of import Clip, ask

Start = Callable[..., Result]
ONE, OTHER, WORDS = ask(Clip(0), "what is it?"), ask(Clip(1, frames=12), "and?"), ask("no video")


def test_a_video_that_is_not_finite(start: Start, reference: Reference) -> None:
    """The first that is compressed has a number that is none. Others in its batch, and later ones, are answered; the same
    video is refused again, from the cache of encoder outputs, and its prefix is nobody's."""
    batches = [[ONE, OTHER, WORDS], [ONE], [OTHER]]
    result = start(batches, bad_calls=(0,), enable_prefix_caching=True, block_size=32)
    reasons = [[answer.reason for answer in batch] for batch in result.answers]
    assert reasons == [["error", "length", "length"], ["error"], ["length"]]
    assert result.said.count("FlashVID refuses a video: features are not finite at frame 0, token 3, channel 5") == 1
    for batch, answers in zip(batches, result.answers):
        for request, answer in zip(batch, answers):
            if answer.reason == "length":
                assert answer.tokens == reference.expect(request).tokens
    assert result.answers[1][0].cached == 0


def test_a_video_of_one_frame(start: Start, reference: Reference, kind: str) -> None:
    """Qwen2.5-VL's processor doubles the frame. Qwen3-VL's refuses it: the request's error, and the next is answered."""
    request = ask(Clip(0, frames=1), "what?")
    (one,), (other,) = start([[request], [ONE]]).answers
    if kind == "qwen2_5_vl":
        assert (one.reason, one.tokens) == ("length", reference.expect(request).tokens)
    else:
        assert one.reason.startswith("refused: Failed to apply Qwen3VLProcessor")
    assert (other.reason, other.tokens) == ("length", reference.expect(ONE).tokens)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_rate_out_of_range(models: dict[str, Path], kind: str, rate: float) -> None:
    if kind == "qwen3_vl":
        pytest.skip("vLLM's own check, once is enough")
    options: dict[str, Any] = dict(
        video_pruning_rate=rate, hf_overrides=dict(architectures=["FlashVIDQwen2_5_VL"]))
    result = run(Job(str(models[kind]), [[ONE]], options), check=False)
    assert not result.answers and "video_pruning_rate" in result.said


def test_encoded_videos_that_are_not_finite(start: Start, reference: Reference) -> None:
    """A client may send anything: its request alone ends with an error."""
    bad = reference.encoded(Clip(0))
    bad.values[3, 5] = float("nan")
    given = [ask(bad, "what?"), ask(reference.encoded(Clip(0)), "what?"), OTHER]
    result = start([given, [WORDS]], enable_mm_embeds=True)
    assert [answer.reason for answer in result.answers[0]] == ["error", "length", "length"]
    assert result.answers[0][1].tokens == reference.expect(ask(Clip(0), "what?"), attention=False).tokens
    assert result.answers[0][2].tokens == reference.expect(OTHER).tokens
    assert result.answers[1][0].reason == "length"


@pytest.mark.parametrize("asked, problem", [
    (dict(attentions=False), "flashvid has no option 'attentions'; expected any of ['attention']"),
    (dict(attention="off"), "flashvid.attention is 'off'; expected true or false"),
])
def test_options_that_are_none(models: dict[str, Path], kind: str, asked: Any, problem: str) -> None:
    if kind == "qwen3_vl":
        pytest.skip("once is enough")
    options: dict[str, Any] = dict(
        video_pruning_rate=0.75, hf_overrides=dict(architectures=["FlashVIDQwen2_5_VL"], flashvid=asked))
    result = run(Job(str(models[kind]), [[ONE]], options), check=False)
    assert not result.answers and problem in result.said


def test_another_version_of_vllm(models: dict[str, Path], kind: str, tmp_path: Path) -> None:
    """Other models are served as before; ours refuse, in a sentence."""
    if kind == "qwen3_vl":
        pytest.skip("once is enough")
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata, sys\n"
        "import flashvid.vllm._version as version\n"
        "version.SUPPORTED = '0.99'\n")
    other = {"PYTHONPATH": str(tmp_path)}
    ours = dict(video_pruning_rate=0.75, hf_overrides=dict(architectures=["FlashVIDQwen2_5_VL"]))
    refused = run(Job(str(models[kind]), [[ONE]], ours), other, check=False)
    assert not refused.answers
    assert "FlashVID's models are made for vLLM 0.99 and this is 0.32" in refused.said
    assert run(Job(str(models[kind]), [[ONE]], {}), other).answers[0][0].reason == "length"


def test_a_library_that_is_missing(models: dict[str, Path], kind: str) -> None:
    if kind == "qwen3_vl":
        pytest.skip("once is enough")
    other = {"FLASHVID_LIBRARY": os.devnull}
    ours = dict(video_pruning_rate=0.75, hf_overrides=dict(architectures=["FlashVIDQwen2_5_VL"]))
    refused = run(Job(str(models[kind]), [[ONE]], ours), other, check=False)
    assert not refused.answers
    assert "Failed to load plugin flashvid" in refused.said and os.devnull in refused.said
    assert run(Job(str(models[kind]), [[ONE]], {}), other).answers[0][0].reason == "length"
