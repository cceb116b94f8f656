"""The attention that tokens receive: what is observed is what the encoder computes, token by token."""

from __future__ import annotations

import sys
import threading
from typing import Any, Callable

import pytest
import torch
from tiny import TINY, Tiny
from torch import Tensor, nn

from flashvid.transformers import family_of
from flashvid.transformers._attention import observed
from flashvid.transformers._family import features

Models = Callable[..., Any]
FRAME = 3


def recorded(model: Any, encode: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[tuple[nn.Module, Tensor]]:
    """Module and weights of every attention that is computed, as eager attention has them."""
    calls: list[tuple[nn.Module, Tensor]] = []
    with monkeypatch.context() as patched:
        for name in {type(module).__module__ for module in model.modules()}:
            eager = getattr(sys.modules[name], "eager_attention_forward", None)
            if eager is None:
                continue

            def watched(module: Any, *arguments: Any, _eager: Any = eager, **named: Any) -> Any:
                output, weights = _eager(module, *arguments, **named)
                calls.append((module, weights.detach()))
                return output, weights

            patched.setattr(sys.modules[name], "eager_attention_forward", watched)
        encode()
    return calls


def scaled(module: nn.Module, factor: Tensor | float) -> Any:
    """A hook: the output of an attention times a factor for each patch."""

    def hook(module: nn.Module, arguments: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return output[0] * factor, *output[1:]
        return output * factor

    return module.register_forward_hook(hook)


def last_that_matters(calls: list[tuple[nn.Module, Tensor]], encode: Callable[[], Tensor]) -> nn.Module:
    """The last attention on which the features depend."""
    before = encode()
    for module, _ in reversed(calls):
        handle = scaled(module, 0.0)
        after = encode()
        handle.remove()
        if not torch.equal(before, after):
            return module
    raise AssertionError("the features depend on no attention")


def test_each_tokens_score_is_that_of_its_patches(
    tiny: Tiny, model_of: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(tiny, attn_implementation="eager")
    family = family_of(model)
    if family.unobserved:
        pytest.skip(family.unobserved)
    inputs = tiny.inputs() | tiny.options()

    def encode() -> Tensor:
        output = family.encode_features(model, inputs).pooler_output
        return output.flatten(0, -2) if isinstance(output, Tensor) else torch.cat([each.flatten(0, -2) for each in output])

    calls = recorded(model, encode, monkeypatch)
    module = last_that_matters(calls, encode)
    weights = [each for who, each in calls if who is module]
    received = torch.cat([each.mean((1, 2)).flatten() for each in weights])
    _, videos = family.encode(model, inputs, attention=True)
    scores = videos[0].scores
    assert scores is not None and scores.shape == (tiny.frames, tiny.tokens)
    assert module.config._attn_implementation == "eager", "the observer is still there"

    # Which patches a token is made of: those whose attention changes it.
    factor = torch.ones(received.numel(), requires_grad=True)
    first = weights[0]
    shape = (len(first), first.shape[-1], 1) if len(weights) == 1 and len(first) > 1 else (-1, 1)
    handle = scaled(module, factor.view(shape))
    rows = encode()
    handle.remove()
    seen: set[int] = set()
    for token in range(tiny.tokens):
        gradient, = torch.autograd.grad(rows[tiny.place(FRAME, token)].abs().sum(), factor, retain_graph=True)
        share = shares(tiny, gradient, token, received.numel())
        torch.testing.assert_close(scores[FRAME, token], (received * share).sum(), rtol=1e-4, atol=1e-7)
        seen |= set(share.nonzero()[:, 0].tolist())
    assert len(seen) >= tiny.tokens, "every token has patches of its own"


def shares(tiny: Tiny, gradient: Tensor, token: int, patches: int) -> Tensor:
    """How much of each patch's score a token's is."""
    made_of = gradient != 0
    if tiny.model_type == "llava_onevision":
        # Bilinear: not all patches count alike.
        grids = torch.eye(49).view(49, 1, 7, 7)
        weight = nn.functional.interpolate(grids, size=(4, 4), mode="bilinear").flatten(1)[:, token]
        whole = torch.zeros(patches)
        whole[FRAME * 49 : (FRAME + 1) * 49] = weight
        assert torch.equal(whole > 0, made_of)
        return whole
    return made_of / made_of.sum()


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["llava_onevision", "qwen2_5_vl", "qwen3_vl"])
def test_observing_changes_no_bit(name: str, implementation: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny, attn_implementation=implementation)
    family, inputs = family_of(model), tiny.inputs()
    plain = features(model.base_model, "video", inputs)
    output, _ = family.encode(model, inputs, attention=True)
    assert all(map(torch.equal, output.pooler_output, plain.pooler_output))
    assert torch.equal(output.last_hidden_state, plain.last_hidden_state)


def test_the_observer_goes_when_the_encoder_fails(model_of: Models) -> None:
    tiny = TINY["qwen3_vl"]
    model = model_of(tiny)
    family, inputs = family_of(model), tiny.inputs()
    attention = family.vision_attention(model.base_model)
    own = attention.config

    def fail(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), observed(attention, fail):
        features(model.base_model, "video", inputs)
    assert attention.config is own
    family.encode(model, inputs, attention=True)
    assert attention.config is own


def test_threads_see_their_own(model_of: Models) -> None:
    """Two threads observe one module, a third uses it unobserved."""
    tiny = TINY["llava_onevision"]
    model = model_of(tiny)
    family = family_of(model)
    prompts = [tiny.inputs(seed) for seed in (1, 2, 3)]
    alone = [family.encode(model, prompt, attention=True)[1][0].scores for prompt in prompts]
    plain = features(model.base_model, "video", prompts[2]).pooler_output
    results: list[Any] = [None] * 3
    barrier = threading.Barrier(3)

    def work(number: int) -> None:
        barrier.wait()
        for _ in range(10):
            if number == 2:
                results[2] = features(model.base_model, "video", prompts[2]).pooler_output
            else:
                results[number] = family.encode(model, prompts[number], attention=True)[1][0].scores

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results[0], alone[0]) and torch.equal(results[1], alone[1])
    assert torch.equal(results[2], plain)
    assert "_config_beneath_observer" not in family.vision_attention(model.base_model).__dict__
