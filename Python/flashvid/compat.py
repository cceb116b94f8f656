"""The released program's function, for code that calls it.

from flashvid.compat import flashvid_compression      # for: from flashvid.utils import flashvid_compression
"""

from __future__ import annotations

from math import ceil
from typing import Any

from ._compressor import Compressor
from ._configuration import Configuration, Semantics
from ._errors import Error, Status

#: The released program's names of the forms of selection.
_SELECTIONS: dict[str, Any] = {
    "attn": "attention",
    "div": "diversity",
    "attn_div": "attentionDiversity",
    "attn_div_v2": "attentionDiversityEvent",
}


def flashvid_compression(
    video_features: Any,
    cls_attention: Any,
    flashvid_config: Any,
    *,
    semantics: Semantics = "published",
    threads: int | None = None,
) -> tuple[Any, Any]:
    """Compresses a clip as the released program does, its defects included, but for what it does to its arguments: the
    features stay as they are.

    Args:
        video_features: [F, N, D] torch tensor (or NumPy array), float32, float16 or bfloat16.
        cls_attention: [F, N], finite and not negative; None where the selection does not look at it.
        flashvid_config: An object with the released program's attributes: `retention_ratio`, `expansion`, `alpha`,
            `token_selection_method` ("attn", "div", "attn_div", "attn_div_v2", or its enumeration), `do_segment`,
            `segment_threshold`, `min_segment_num`, `complementary_segment`, `temporal_threshold`; one that is missing
            has the released program's default. `num_attn_div_tokens`, `num_sttm_tokens` and `visual_token_length` are
            set, as the released program sets them.
        semantics: "definition" gives what `flashvid.compress` gives.
        threads: 1 to 64; None: one a core.

    Returns:
        The rows [K, D] in the features' type, and the source tokens [K], int64, whose places they take, ascending; an
        index may repeat. Both on the features' device.

    Raises:
        Error: As `flashvid.compress`.

    Where the released program rounds in the features' type, decisions here are those of float64; and its clustering
    adds noise to break ties, which go to the lower index here.
    """
    configuration = configuration_of(flashvid_config, semantics)
    _, tokens, _ = video_features.shape
    with Compressor(configuration, threads=threads) as compressor:
        video = compressor.compress(video_features, cls_attention)
    # What the language model's half looks at.
    budget, selected = budget_of(configuration, tokens)
    flashvid_config.num_attn_div_tokens = selected
    flashvid_config.num_sttm_tokens = budget - selected
    flashvid_config.visual_token_length = len(video)
    return video.tokens, video.indices


def configuration_of(config: Any, semantics: Semantics) -> Configuration:
    """The configuration that the released program's stands for."""
    method = getattr(config, "token_selection_method", "attn_div")
    selection = _SELECTIONS.get(getattr(method, "value", method))
    if selection is None:
        expected = ", ".join(map(repr, _SELECTIONS))
        raise Error(Status.INVALID_CONFIGURATION, f"token_selection_method is {method!r}; expected one of {expected}")
    return Configuration(
        retention=getattr(config, "retention_ratio", 0.25),
        expansion=getattr(config, "expansion", 1.25),
        alpha=getattr(config, "alpha", 0.7),
        selection=selection,
        segmentation=getattr(config, "do_segment", True),
        segment_threshold=getattr(config, "segment_threshold", 0.9),
        minimum_segments=getattr(config, "min_segment_num", 8),
        complementary_segments=getattr(config, "complementary_segment", True),
        temporal_threshold=getattr(config, "temporal_threshold", 0.8),
        semantics=semantics,
    )


def budget_of(configuration: Configuration, tokens: int) -> tuple[int, int]:
    """A frame's budget, and what selection takes of it."""
    alpha = 0.7 if configuration.alpha is None else configuration.alpha
    budget = min(tokens, ceil(tokens * configuration.retention * configuration.expansion))
    return budget, ceil(budget * alpha)
