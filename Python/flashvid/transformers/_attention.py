"""Queries and keys of one attention module, as its own attention function sees them.

Transformers computes attention by a function that a module looks up by the name in its configuration. For the time of an
observation one module gets a copy of its configuration that names a function of ours, which hands queries and keys on and
then calls the module's own. So the module's result is what it would have been, bit for bit, and every other module keeps
its function.
"""

from __future__ import annotations

import copy
import sys
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

#: sink(queries, keys, scale): [B, heads, queries, width] and [B, key heads, keys, width], after rotary embedding.
Sink = Callable[[Tensor, Tensor, float], None]

# Transformers takes a name with "flash" in it for flash attention, which gets other arguments.
_NAME = "observed_by_video_compression"
_OWN = "_attention_beneath_observer"

_lock = threading.Lock()
_observers: dict[int, int] = {}  # how many observe a module, by its identity
_sinks = threading.local()  # a thread sees what it computes itself


def _observed(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **arguments: Any
) -> Any:
    sink, once = getattr(_sinks, "of", {}).get(id(module), (None, False))
    if once:
        stop(module)
    if sink is not None:
        scale = arguments.get("scaling") or getattr(module, "scaling", None) or query.shape[-1] ** -0.5
        sink(query, key, scale)
    own = getattr(module.config, _OWN, None) or module.config._attn_implementation
    return _function(module, own)(module, query, key, value, attention_mask, **arguments)


def _function(module: nn.Module, implementation: str) -> Callable[..., Any]:
    eager: Callable[..., Any] | None = None
    for kind in type(module).__mro__:  # each file of models has its own
        eager = eager or getattr(sys.modules.get(kind.__module__), "eager_attention_forward", None)
    function: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager)
    return function


@contextmanager
def observed(module: nn.Module, sink: Sink) -> Iterator[None]:
    """Hands the queries and keys of every attention that this thread computes in the module to `sink`.

    Other threads may use the model meanwhile: what they compute in the module takes the way through our function too, and
    reaches no sink.
    """
    start(module, sink)
    try:
        yield
    finally:
        stop(module)


def start(module: nn.Module, sink: Sink, once: bool = False) -> None:
    """Begins to observe; with `once`, until the first call of the attention."""
    stop(module)  # what an interrupt may have left
    with _lock:
        ALL_ATTENTION_FUNCTIONS.register(_NAME, _observed)
        if not _observers.get(id(module)):
            config = copy.copy(module.config)
            setattr(config, _OWN, config._attn_implementation)
            # The public setter would reach the configurations within.
            config._attn_implementation_internal = _NAME
            module.__dict__["_config_beneath_observer"] = module.config
            module.config = config
        _observers[id(module)] = _observers.get(id(module), 0) + 1
    _sinks.of = getattr(_sinks, "of", {}) | {id(module): (sink, once)}


def stop(module: nn.Module) -> None:
    """Ends what this thread began; nothing where it began nothing."""
    if id(module) not in getattr(_sinks, "of", {}):
        return
    _sinks.of = {key: value for key, value in _sinks.of.items() if key != id(module)}
    with _lock:
        _observers[id(module)] -= 1
        if not _observers[id(module)]:
            del _observers[id(module)]
            module.config = module.__dict__.pop("_config_beneath_observer")


def implementation(module: nn.Module) -> str:
    """The name of the module's own attention function."""
    config = module.__dict__.get("_config_beneath_observer", module.config)
    return str(config._attn_implementation)
