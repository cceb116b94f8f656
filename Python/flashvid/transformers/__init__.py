"""Video language models of Hugging Face transformers, with their videos compressed: one call before `generate`.

    inputs = flashvid.transformers.prepare(model, inputs, retention=0.10)
    answer = model.generate(**inputs)
"""

from typing import Any

from ._decoder import VisualCache, attach, detach
from ._family import Family, Video
from ._prepare import next_turn, prepare
from ._prepared import Prepared
from .families import families, family_of

__all__ = [
    "Family",
    "Prepared",
    "Video",
    "VisualCache",
    "attach",
    "detach",
    "families",
    "family_of",
    "next_turn",
    "prepare",
]


def __getattr__(name: str) -> Any:
    """LLaVA-Video's classes, which import LLaVA-OneVision's."""
    if name in ("LlavaVideoConfig", "LlavaVideoForConditionalGeneration"):
        from . import llava_video

        return getattr(llava_video, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
