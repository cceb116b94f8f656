"""Models that have Qwen3-VL's code for videos, and language models of their own.

VLLM runs Qwen3.5's on the CPU in bfloat16 alone, where no answer is another program's to the last token: there the positions
are the gate, with the rows, and an answer's first token is one of transformers' likeliest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from answers import Reference
from engine import Answer, Result
from requests_of import Clip, Picture, Request, ask
from tiny_models import DERIVED

# The fixture's other values, and not another fixture of its name, which those that depend on it would not see change.
pytestmark = pytest.mark.parametrize("kind", DERIVED, indirect=True, scope="session")
Start = Callable[..., Result]

ONE = ask(Clip(0), "what is it?")
SLOW = ask(Clip(2, fps=0.03), "so slow")
MIXED = ask(Clip(3), "one", Picture(4), Clip(5, frames=12), "what?")
WORDS = ask("no video at all")
ALL = [ONE, SLOW, MIXED, WORDS]


@pytest.fixture(scope="session")
def options(kind: str) -> dict[str, Any]:
    return dict(dtype="bfloat16") if "3_5" in kind else {}


def agrees(answer: Answer, rows: list[Any], reference: Reference, request: Request) -> None:
    expected = reference.expect(request)
    prompt = reference.gathered(request, [at for _, at in rows]) if rows else expected.positions[:, : len(answer.prompt)]
    after = prompt.max() + 1 + torch.arange(request.tokens - 1)
    wanted = torch.cat([prompt, after.expand(3, -1)], 1)[:, answer.cached:]
    assert torch.equal(answer.positions, wanted)
    exact = "3_5" not in reference.kind
    for (ours, at), theirs, places in zip(rows, expected.values, expected.indices, strict=True):
        assert len(at) == len(places)
        if exact:
            assert torch.equal(at, places)
            torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-4)
        else:
            same = torch.isin(at, places)
            assert same.float().mean() > 0.8
            other = theirs[torch.isin(places, at)]
            errors = (ours[same].float() - other).norm(dim=1) / other.norm(dim=1)
            assert errors.median() < 0.02
    if exact:
        assert answer.tokens == expected.tokens
    else:
        assert float(expected.scores.max() - expected.scores[answer.tokens[0]]) < 0.25


def agree(result: Result, reference: Reference) -> None:
    """Requests that were answered one after the other."""
    rows = list(result.rows)
    for request, (answer,) in zip(ALL, result.answers, strict=True):
        count = len(request.clips)
        agrees(answer, rows[:count], reference, request)
        del rows[:count]
    assert not rows


def test_whole(start: Start, reference: Reference, options: dict[str, Any]) -> None:
    result = start([[each] for each in ALL], enable_prefix_caching=False, **options)
    assert result.answers[0][0].parts == ONE.tokens
    agree(result, reference)


def test_in_chunks(start: Start, reference: Reference, options: dict[str, Any]) -> None:
    sizes = dict(max_num_batched_tokens=37, max_model_len=2048)
    result = start([[each] for each in ALL], enable_prefix_caching=False, **sizes, **options)
    assert result.answers[0][0].parts > ONE.tokens
    agree(result, reference)


def test_behind_a_cached_prefix(start: Start, reference: Reference, options: dict[str, Any]) -> None:
    """A block of Qwen3.5's holds as many tokens as a state is large; it ends inside the video."""
    clip = Clip(11, frames=48, height=168)
    first, second = ask(clip, "what is it?"), ask(clip, "and now, tell me more of it?")
    result = start([[first], [second]], enable_prefix_caching=True, block_size=32, **options)
    (one,), (two,) = result.answers
    assert one.cached == 0 and 100 < two.cached < len(two.prompt) - 20
    assert len(result.rows) == 1
    agrees(one, result.rows, reference, first)
    agrees(two, result.rows, reference, second)


def test_vidcom2s_count(start: Start, reference: Reference, options: dict[str, Any]) -> None:
    """The prompt is sized by the server's method, which Qwen3.5's models do not tell."""
    result = start([[ONE]], 0.95, video_pruning_method="vidcom2", **options)
    assert len(result.rows[0][1]) == reference.rows([4, 8, 12], 0.95, "vidcom2") < reference.rows([4, 8, 12], 0.95, "evs")
    assert result.answers[0][0].reason == "length"
    text = reference.gathered(ONE, [result.rows[0][1]])
    assert torch.equal(result.answers[0][0].positions[:, : text.shape[1]], text)
