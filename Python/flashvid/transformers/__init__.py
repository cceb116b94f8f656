"""Video language models of Hugging Face transformers, with their videos compressed: one call before `generate`.

    inputs = flashvid.transformers.prepare(model, inputs, retention=0.10)
    answer = model.generate(**inputs)

>>> import flashvid.transformers
>>> model, inputs = flashvid.transformers.example()
>>> inputs["input_ids"].shape[1]
3153
>>> inputs = flashvid.transformers.prepare(model, inputs, retention=0.10)
>>> inputs["input_ids"].shape[1]
417
>>> model.generate(**inputs, max_new_tokens=4, do_sample=False).shape[1] <= 421
True
"""

from typing import Any

from ._decoder import VisualCache, attach, detach
from ._example import example
from ._family import Family, Video
from ._prepare import next_turn, prepare
from ._prepared import Prepared
from ._table import table
from .families import families, family_of

__all__ = [
    "Family",
    "Prepared",
    "Video",
    "VisualCache",
    "attach",
    "detach",
    "example",
    "families",
    "family_of",
    "next_turn",
    "prepare",
    "table",
]


def __getattr__(name: str) -> Any:
    """LLaVA-Video's classes, which import LLaVA-OneVision's."""
    if name in ("LlavaVideoConfig", "LlavaVideoForConditionalGeneration"):
        from . import llava_video

        return getattr(llava_video, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
