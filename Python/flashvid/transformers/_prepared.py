"""What `prepare` gives back: a mapping for `generate`."""

from __future__ import annotations

import copy
from collections import UserDict
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache

from .. import Compressed
from ._decoder import snapshot


class Prepared(UserDict[str, Any]):
    """Arguments of `generate`: `model.generate(**inputs)`, as often as you like.

    `generate` writes to what it is given: it repeats the encoder's outputs for beams, and lengthens a cache. So each look-up
    of these two gives a shallow copy, and this mapping stays as it is. Entries can be read as attributes too.

    Attributes:
        compressed: What became of each video, in the order of the prompt; empty where there was none.
        source: [B, L] the position in the original prompt of each place, -1 where there is padding.
        visual: [B, L] whether a row of a video stands at a place.
        counts: [B, L] how many source tokens stand behind each place: 1 for text, 0 for padding. None with the published
            semantics.
    """

    compressed: list[Compressed[Tensor]]
    source: Tensor
    visual: Tensor
    counts: Tensor | None

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key == "mm_encoder_outputs":
            return {modality: copy.copy(output) for modality, output in value.items()}
        if isinstance(value, Cache):
            return snapshot(value)
        return value

    def __getattr__(self, name: str) -> Any:
        if name == "data" or name.startswith("__") or name not in self.data:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return self[name]
