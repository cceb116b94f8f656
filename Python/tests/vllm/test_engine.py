"""A real engine with tiny models: the answers of `flashvid.transformers`, and the positions of an uncompressed prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine import Answer, Job, Result, run
from answers import Reference
from requests_of import Clip, Picture, Request, ask

END = 260  # <|vision_end|>
Start = Callable[..., Result]

ONE = ask(Clip(0), "what is it?")
AGAIN = ask(Clip(0), "and now, tell me more of it?")
OTHER = ask("look: ", Clip(1, frames=12, height=168), "and?")
#: A t of every row beyond 256, which bfloat16 cannot hold.
SLOW = ask(Clip(2, fps=0.03), "so slow")
MIXED = ask(Clip(3), "one", Picture(4), Clip(5, frames=12), "what?")
THREE = ask(Clip(6, frames=4), Clip(7), Clip(8, frames=10, width=112), "which?")
WORDS = ask("no video at all")
PICTURE = ask(Picture(9), "only a picture")
#: So short that transformers 5 agrees about what follows.
FAST = ask("quick ", Clip(10, fps=8), "!")
ALL = [ONE, OTHER, SLOW, MIXED, THREE, WORDS, PICTURE, FAST]


def agrees(answer: Answer, reference: Reference, request: Request, rate: float = 0.75, **options: Any) -> None:
    expected = reference.expect(request, rate, **options)
    wanted = expected.positions[:, answer.cached:]
    assert answer.positions.shape == wanted.shape
    differing = (answer.positions != wanted).any(0).nonzero()[:, 0].tolist()
    assert not differing, f"{len(differing)} of {wanted.shape[1]} positions differ, the first at {differing[0]}"
    assert answer.tokens == expected.tokens


@pytest.fixture(scope="module")
def alone(start: Start) -> Result:
    """Each request by itself, read as a whole."""
    return start([[each] for each in ALL], enable_prefix_caching=False)


@pytest.mark.parametrize("number", range(len(ALL)), ids=["one", "other", "slow", "mixed", "three", "words", "picture", "fast"])
def test_whole(alone: Result, reference: Reference, number: int) -> None:
    (answer,) = alone.answers[number]
    assert answer.cached == 0 and answer.parts == ALL[number].tokens
    agrees(answer, reference, ALL[number])


def test_transformers_as_it_is(alone: Result, models: Any, kind: str) -> None:
    as_it_is = Reference(kind, models[kind], own=True)
    agrees(alone.answers[-1][0], as_it_is, FAST)


def test_rows_are_those_of_transformers(alone: Result, reference: Reference) -> None:
    expected = [reference.expect(each) for each in ALL]
    indices = [each for one in expected for each in one.indices]
    values = [each for one in expected for each in one.values]
    assert len(alone.rows) == len(indices) == 9
    for (ours, at), theirs, places in zip(alone.rows, values, indices):
        assert torch.equal(at, places)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-4)


def test_in_chunks(start: Start, reference: Reference) -> None:
    result = start([[each] for each in ALL], enable_prefix_caching=False, max_num_batched_tokens=37, max_model_len=2048)
    assert result.answers[0][0].parts > ONE.tokens
    for request, (answer,) in zip(ALL, result.answers):
        agrees(answer, reference, request)


def test_behind_a_cached_prefix(start: Start, reference: Reference, kind: str) -> None:
    """Prefixes end where a block of the cache does: inside a video, behind it, between two."""
    requests = [ONE, AGAIN, ONE, MIXED, MIXED, THREE, THREE]
    moved = [ask("x" * count, Clip(11, frames=24, height=168), "?") for count in (0, 8, 16, 24) for _ in range(2)]
    result = start([[each] for each in requests + moved], enable_prefix_caching=True, block_size=32)
    answers = [answer for (answer,) in result.answers]
    assert [answer.cached > 0 for answer in answers[:7]] == [False, True, True, False, True, False, True]
    assert len(result.rows) == 1 + 2 + 3 + 1  # nothing is compressed again
    for request, answer in zip(requests + moved, answers):
        agrees(answer, reference, request)
    # Behind such an end the video's last marker is still to come; Qwen3-VL's prompts have another one around the video.
    after = [answer.prompt[answer.cached + 1:].count(END) for answer in answers[7:] if answer.cached]
    assert max(after) > (1 if kind == "qwen3_vl" else 0)


def test_batched(start: Start, alone: Result, reference: Reference) -> None:
    batch = [ALL, ALL[::-1]]
    together = start(batch, enable_prefix_caching=False, max_num_batched_tokens=200, max_model_len=2048)
    for requests, answers in zip(batch, together.answers):
        for request, answer in zip(requests, answers):
            agrees(answer, reference, request)
    # The rows are the same, bit for bit, in any batch.
    known = [(at.tolist(), values) for values, at in alone.rows]
    for values, at in together.rows:
        assert any(at.tolist() == places and torch.equal(values, rows) for places, rows in known)


def test_same_from_run_to_run(start: Start, alone: Result) -> None:
    again = start([[each] for each in ALL], enable_prefix_caching=False)
    assert [answer.tokens for (answer,) in again.answers] == [answer.tokens for (answer,) in alone.answers]
    assert len(again.rows) == len(alone.rows)
    for (values, at), (rows, places) in zip(again.rows, alone.rows):
        assert torch.equal(values, rows) and torch.equal(at, places)


def test_bfloat16_keeps_positions(start: Start, reference: Reference) -> None:
    result = start([[SLOW], [MIXED]], dtype="bfloat16", enable_prefix_caching=False)
    for request, (answer,) in zip([SLOW, MIXED], result.answers):
        text = [place for place, token in enumerate(answer.prompt) if token not in (261, 262)]
        expected = reference.expect(request)
        assert answer.positions.shape == expected.positions.shape
        assert int(answer.positions[:, text].max()) == int(expected.positions[:, text].max())
    values, at = result.rows[0]
    assert values.dtype == torch.bfloat16


@pytest.mark.parametrize("rate", [0.3, 0.97])
def test_rates(start: Start, reference: Reference, rate: float) -> None:
    (one,), (mixed,) = start([[ONE], [MIXED]], rate).answers
    agrees(one, reference, ONE, rate)
    agrees(mixed, reference, MIXED, rate)


def test_vidcom2s_count(start: Start, reference: Reference, kind: str) -> None:
    if kind == "qwen2_5_vl":
        pytest.skip("vLLM has it for Qwen3-VL")
    # EVS never keeps less than a frame's tokens; VidCom2 does.
    result = start([[ONE], [THREE]], 0.95, video_pruning_method="vidcom2")
    for request, (answer,) in zip([ONE, THREE], result.answers):
        agrees(answer, reference, request, 0.95, method="vidcom2")
    assert len(result.rows[0][1]) < reference.rows([4, 8, 12], 0.95, "evs")


@pytest.mark.parametrize("rate", [0, None])
def test_nothing_pruned_is_stock_vllm(start: Start, models: Any, kind: str, rate: float | None) -> None:
    ours = start([[each] for each in ALL], rate)
    stock = run(Job(str(models[kind]), [[each] for each in ALL], {}))
    assert not ours.rows
    for (our,), (theirs,) in zip(ours.answers, stock.answers):
        assert (our.prompt, our.tokens) == (theirs.prompt, theirs.tokens)
        assert torch.equal(our.positions, theirs.positions)


def test_tells_once_that_attention_is_missing(start: Start) -> None:
    result = start([[ONE], [OTHER]], compilation_config=dict(compile_mm_encoder=True))
    assert result.said.count("without the encoder's attention") == 1
    assert "without the encoder's attention" not in start([[ONE]]).said


def test_without_attention(start: Start, alone: Result, reference: Reference) -> None:
    result = start([[ONE], [MIXED]], asked=dict(attention=False))
    for request, (answer,) in zip([ONE, MIXED], result.answers):
        agrees(answer, reference, request, attention=False)
    assert result.said.count("without the encoder's attention (as the server asks)") == 1
    assert not torch.equal(result.rows[0][1], alone.rows[0][1])


def test_videos_that_are_encoded(start: Start, reference: Reference) -> None:
    """What a client has encoded is compressed by its features; a video of another request has its attention all the same."""
    clips = [Clip(0), Clip(7, frames=12)]
    encoded = [reference.encoded(clip) for clip in clips]
    requests = [ask("see ", clips[0], "what?"), ask(*clips, "which?")]
    given = [ask("see ", encoded[0], "what?"), ask(*encoded, "which?")]
    result = start([[given[0], OTHER], [given[1]]], enable_mm_embeds=True, enable_prefix_caching=False)
    agrees(result.answers[0][0], reference, requests[0], attention=False)
    agrees(result.answers[0][1], reference, OTHER)
    agrees(result.answers[1][0], reference, requests[1], attention=False)
    assert result.said.count("without the encoder's attention") == 1


def test_an_engine_without_an_encoder(start: Start, reference: Reference, kind: str) -> None:
    """For videos that are encoded elsewhere vLLM loads no encoder where neither videos nor images are let in."""
    if kind == "qwen3_vl":
        pytest.skip("stock vLLM fails: without an encoder it does not know DeepStack's values for what they are")
    request = ask("see ", Clip(0), "what?")
    result = start(
        [[ask("see ", reference.encoded(Clip(0)), "what?")], [WORDS]], enable_mm_embeds=True,
        limit_mm_per_prompt={"image": 0, "video": 0})
    agrees(result.answers[0][0], reference, request, attention=False)
    agrees(result.answers[1][0], reference, WORDS)
