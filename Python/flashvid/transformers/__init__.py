"""Video language models of Hugging Face transformers, with their videos compressed: one call before `generate`.

    inputs = flashvid.transformers.prepare(model, inputs, retention=0.10)
    answer = model.generate(**inputs)
"""

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
