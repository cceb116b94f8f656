"""FlashVID: training-free compression of a video language model's visual tokens (arXiv 2602.08024), on the CPU.

    video = flashvid.compress(features, attention, preset="llava-onevision", retention=0.10)
    video.tokens, video.indices

NumPy arrays and torch tensors go in, and the same come out.
"""

from ._compressor import BatchError, Compressed, Compressor, Kind, Statistics, compress, output_token_count
from ._configuration import Configuration
from ._errors import Error, OutOfMemoryError, Status
from ._grids import PatchGrid, Pooled, group_attention, pool, pooled_tokens
from ._library import version as __version__
from ._plans import Context, HostModel, VideoPlan, plan_average, plan_expansion
from ._prompts import KeptPrompt, Prompt, prune_prompt, video_rows
from ._scores import Scorer, attention_scores, last_query_scores, prune, pruned_count
from ._stream import Stream, StreamError

__all__ = [
    "BatchError",
    "Compressed",
    "Compressor",
    "Configuration",
    "Context",
    "Error",
    "HostModel",
    "KeptPrompt",
    "Kind",
    "OutOfMemoryError",
    "PatchGrid",
    "Pooled",
    "Prompt",
    "Scorer",
    "Statistics",
    "Status",
    "Stream",
    "StreamError",
    "VideoPlan",
    "__version__",
    "attention_scores",
    "compress",
    "group_attention",
    "last_query_scores",
    "output_token_count",
    "plan_average",
    "plan_expansion",
    "pool",
    "pooled_tokens",
    "prune",
    "prune_prompt",
    "pruned_count",
    "video_rows",
]
