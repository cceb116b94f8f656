"""FlashVID: training-free compression of a video language model's visual tokens (arXiv 2602.08024), on the CPU."""

from ._compressor import (
    Compressed,
    Compressor,
    Kind,
    Statistics,
    compress,
    output_token_count,
)
from ._configuration import Configuration
from ._errors import Error, OutOfMemoryError, Status
from ._grids import PatchGrid, Pooled, group_attention, pool, pooled_tokens
from ._library import version as __version__
from ._scores import Scorer, attention_scores, last_query_scores, prune, pruned_count

__all__ = [
    "Compressed",
    "Compressor",
    "Configuration",
    "Error",
    "Kind",
    "OutOfMemoryError",
    "PatchGrid",
    "Pooled",
    "Scorer",
    "Statistics",
    "Status",
    "__version__",
    "attention_scores",
    "compress",
    "group_attention",
    "last_query_scores",
    "output_token_count",
    "pool",
    "pooled_tokens",
    "prune",
    "pruned_count",
]
