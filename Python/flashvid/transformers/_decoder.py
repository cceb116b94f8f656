"""Inside the language model: the count bias, and pruning before a layer (spec 7 and 9).

Both are hooks on the decoder's layers that do nothing unless the call's cache is a `VisualCache`, in which all their state
travels. So a model with hooks serves any number of conversations, with and without them, one after the other or at once.
"""

from __future__ import annotations

import copy
from typing import Any, Iterable

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer
from transformers.modeling_utils import PreTrainedModel

from .. import Error, Status, prune
from ._attention import implementation, start, stop

#: Attention functions whose mask may be a tensor of numbers.
_IMPLEMENTATIONS = ("sdpa", "eager")


class VisualCache(DynamicCache):
    """A cache of keys and values that knows which of them are a video's.

    Args:
        config: The model's.
        length: L, places of the prompt.
        visual: [V] which of them hold rows of a video, ascending. Only looked at when pruning, with a batch of one.
        layer: The layer before which visual tokens are pruned; None: nowhere.
        ratio: Share of the visual tokens that stays.
        bias: [B, L] what is added to the logits of the prompt's keys, or None.

    Attributes:
        kept: The places of the prompt that the layers from `layer` on hold, once the prompt is read; else None.
    """

    def __init__(
        self, config: Any, length: int, visual: Tensor, layer: int | None = None, ratio: float = 1.0,
        bias: Tensor | None = None,
    ) -> None:
        super().__init__(config=config)
        self.length = length
        self.visual = visual
        self.layer = layer
        self.ratio = ratio
        self.bias = bias
        self.kept: Tensor | None = None
        self._scores: Tensor | None = None
        self._masks: dict[bool, tuple[Tensor | None, int, int, Tensor]] = {}

    # ------------------------------------------------------------------------------------------------ what a layer does

    def prunes_before(self, layer: int) -> bool:
        return self.layer is not None and layer >= self.layer

    def observe(self, queries: Tensor, keys: Tensor, scale: float) -> None:
        """Takes the scores of the prompt's keys from the last query of the layer before: spec 9."""
        groups = queries.shape[1] // keys.shape[1]
        last = queries[:1, :, -1].float().unflatten(1, (keys.shape[1], groups))
        logits = torch.einsum("bgqe,bgle->bgql", last, keys[:1].float()) * scale
        if self.bias is not None:
            logits = logits + self.bias[0].to(logits)
        self._scores = logits.softmax(-1).mean((0, 1, 2))

    def prune(self) -> Tensor:
        """Decides which places stay, and returns them."""
        assert self._scores is not None
        visual = self.visual.to(self._scores.device)
        stays = torch.ones(self.length, dtype=torch.bool, device=visual.device)
        stays[visual] = False
        stays[visual[prune(self._scores[visual], self.ratio)]] = True
        self.kept = stays.nonzero()[:, 0]
        self._scores = None
        return self.kept

    def columns(self, total: int) -> Tensor:
        """Which of `total` places a layer holds that was pruned."""
        assert self.kept is not None
        return torch.cat([self.kept, torch.arange(self.length, total, device=self.kept.device)])

    def mask(self, mask: Tensor | None, hidden: Tensor, layer: int, reading: bool) -> Tensor | None:
        """The attention mask of a layer, from that of a model that knows nothing of all this.

        The same for all layers on either side of the pruning, so it is made once a side.
        """
        pruned = self.prunes_before(layer)
        queries = hidden.shape[1]
        keys = self.get_seq_length(layer) + queries
        made = self._masks.get(pruned)
        if made is not None and made[0] is mask and made[1:3] == (queries, keys):
            return made[3]
        result = mask
        if pruned and mask is not None:
            result = mask.index_select(-1, self.columns(mask.shape[-1]).to(mask.device))
            if reading:
                result = result.index_select(-2, self.columns(self.length).to(mask.device))
        if self.bias is not None:
            result = biased(result, self._key_bias(pruned, keys, hidden), queries, keys, hidden.dtype)
        if result is not None and result is not mask:
            self._masks[pruned] = (mask, queries, keys, result)
        return result

    def _key_bias(self, pruned: bool, keys: int, hidden: Tensor) -> Tensor:
        """[B, 1, 1, keys]"""
        assert self.bias is not None
        bias = self.bias.to(hidden.device)
        if pruned:
            bias = bias[:, self.columns(self.length).to(hidden.device)]
        bias = nn.functional.pad(bias, (0, keys - bias.shape[1]))
        copies, rest = divmod(len(hidden), len(bias))  # beams
        if rest:
            raise Error(Status.INVALID_SHAPE, f"the count bias is for {len(bias)} prompts; the batch has {len(hidden)} rows")
        return bias.repeat_interleave(copies, 0)[:, None, None].to(hidden.dtype)

    # ------------------------------------------------------------------------------------------- what others ask of it

    def crop(self, *arguments: Any, **named: Any) -> None:
        if self.layer is not None:
            raise Error(
                Status.UNSUPPORTED, "assisted decoding crops the cache, which cannot be done once visual tokens are pruned")
        super().crop(*arguments, **named)

    def reset(self) -> None:
        super().reset()
        self.kept = self._scores = None
        self._masks = {}

    def __copy__(self) -> VisualCache:
        twin = type(self).__new__(type(self))
        twin.__dict__ = self.__dict__ | {"layers": [copy.copy(layer) for layer in self.layers], "_masks": {}}
        return twin


def biased(mask: Tensor | None, bias: Tensor, queries: int, keys: int, dtype: torch.dtype) -> Tensor:
    """A mask of numbers [B, 1, queries, keys]: the bias where a query sees a key, and the lowest number elsewhere."""
    lowest = torch.finfo(dtype).min
    if mask is None:
        # Without a mask a layer is causal; a single query sees everything.
        sees = torch.ones(queries, keys, dtype=torch.bool, device=bias.device).tril(keys - queries)
        return torch.where(sees, bias, lowest)
    if mask.dtype == torch.bool:
        return torch.where(mask, bias, lowest)
    return (mask.float() + bias.float()).clamp(min=lowest).to(dtype)


def snapshot(cache: Cache) -> Cache:
    """A copy of a cache that `generate` may go on writing to while this one stays as it is.

    Plain layers grow by concatenation, so their tensors are shared; others are written to in place and copied as a whole.
    """
    if isinstance(cache, VisualCache):
        return copy.copy(cache)
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        twin = copy.copy(cache)
        twin.layers = [copy.copy(layer) for layer in cache.layers]
        return twin
    return copy.deepcopy(cache)


# ------------------------------------------------------------------------------------------------------------ the hooks


class _Layer:
    """What is done before a decoder layer: its inputs cut, its mask exchanged. A class, so that a model can be pickled."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, layer: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        cache = cache_of(named)
        if cache is None:
            return None
        hidden: Tensor = arguments[0] if arguments else named["hidden_states"]
        named = dict(named)
        reading = not cache.get_seq_length(self.index)  # the prompt
        if reading and cache.layer is not None:
            if self.index == 0 and hidden.shape[1] != cache.length:
                raise Error(
                    Status.UNSUPPORTED,
                    f"the prompt of {cache.length} places came with {hidden.shape[1]}; pruning has to see it in one piece, "
                    "so no chunked prefill and no assisted decoding")
            if self.index == cache.layer - 1:
                start(layer.self_attn, cache.observe, once=True)  # type: ignore[arg-type]
            if self.index == cache.layer:
                hidden = hidden.index_select(1, cache.prune().to(hidden.device))
            if cache.prunes_before(self.index):
                _cut(named, cache.columns(cache.length))
        if cache.layer is not None or cache.bias is not None:
            named["attention_mask"] = cache.mask(named.get("attention_mask"), hidden, self.index, reading)
        if arguments:
            return (hidden, *arguments[1:]), named
        return (), named | {"hidden_states": hidden}


class _AfterLayer:
    """Ends the observation of a layer, also where it failed."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, layer: nn.Module, arguments: Any, named: dict[str, Any], output: Any) -> None:
        cache = cache_of(named)
        if cache is not None and cache.layer == self.index + 1:
            stop(layer.self_attn)  # type: ignore[arg-type]


class _Model:
    """Refuses a call that would go wrong silently."""

    def __call__(self, model: nn.Module, arguments: Any, named: dict[str, Any]) -> None:
        if cache_of(named) is not None and named.get("use_cache") is False:
            raise Error(Status.UNSUPPORTED, "the count bias and pruning keep their state in the cache: use_cache=False cannot be")


#: What a layer may get for each place of the prompt, [..., L].
_NUMBERS = ("position_ids", "moe_mm_token_type_ids")


def _cut(named: dict[str, Any], places: Tensor) -> None:
    """What a layer gets for each place of the prompt, at these places; rotary tables are [..., L, width]."""
    tables = named.get("position_embeddings")
    if tables is not None:
        named["position_embeddings"] = tuple(table.index_select(-2, places.to(table.device)) for table in tables)
    for name in _NUMBERS:
        if named.get(name) is not None:
            named[name] = named[name].index_select(-1, places.to(named[name].device))


def cache_of(named: dict[str, Any]) -> VisualCache | None:
    cache = named.get("cache", named.get("past_key_values"))
    return cache if isinstance(cache, VisualCache) else None


def attach(model: PreTrainedModel, layers: Iterable[nn.Module]) -> None:
    """Puts the hooks on a model; once is enough, and twice does no harm."""
    if any(isinstance(hook, _Model) for hook in model._forward_pre_hooks.values()):
        return
    for index, layer in enumerate(layers):
        layer.register_forward_pre_hook(_Layer(index), with_kwargs=True)
        layer.register_forward_hook(_AfterLayer(index), with_kwargs=True, always_call=True)
    model.register_forward_pre_hook(_Model(), with_kwargs=True)


def detach(model: PreTrainedModel) -> None:
    """Takes the hooks of the count bias and of pruning off a model. Without them a `VisualCache` is a plain cache."""
    ours = (_Model, _Layer, _AfterLayer)
    for module in model.modules():
        # By what they are: the handles that torch gives do not fit a copy of the model.
        for kind in ("_forward_pre_hooks", "_forward_hooks"):
            hooks = getattr(module, kind)
            for key in [key for key, hook in hooks.items() if isinstance(hook, ours)]:
                for table in (kind, f"{kind}_with_kwargs", f"{kind}_always_called"):
                    getattr(module, table, {}).pop(key, None)


# -------------------------------------------------------------------------------------------------------------- refusals


def check(model: PreTrainedModel, layers: nn.ModuleList, option: str) -> None:
    """Refuses a model in which the option cannot work."""
    kinds = [type(each) for each in DynamicCache(config=model.config).layers]
    if kinds != [DynamicLayer] * len(layers):
        names = ", ".join(sorted({kind.__name__ for kind in kinds}))
        raise Error(
            Status.UNSUPPORTED,
            f"{option}: only where every layer keeps all keys; {type(model).__name__} keeps {len(layers)} layers in {names}")
    for each in layers:
        name = implementation(each.self_attn)  # type: ignore[arg-type]
        if name not in _IMPLEMENTATIONS:
            raise Error(
                Status.UNSUPPORTED,
                f"{option}: not with {name}; load the model with attn_implementation=\"sdpa\" or \"eager\"")


def check_layer(layers: nn.ModuleList, layer: int, stacks: int) -> None:
    """Refuses to prune before a layer that is none, or before one of the first `stacks`, which take visual features."""
    least = max(1, stacks)
    if not least <= layer < len(layers):
        why = f"; the first {stacks} layers add visual features of their own (DeepStack)" if stacks else ""
        raise Error(Status.INVALID_ARGUMENT, f"prune before layer {layer}: expected {least} to {len(layers) - 1}{why}")
