"""Attention where an encoder's or a language model's kernels hide it, and what a language model prunes by it."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy

from ._arguments import real, thread_count, whole
from ._compressor import LONG
from ._errors import Error, Status, call
from ._handles import Handle, Progress
from ._library import flashvid_decoder_attention, flashvid_encoder_attention
from ._tensors import deliver, floats, framework_of, integers, read


class Scorer(Handle):
    """Computes attention from queries and keys, with threads and a workspace of its own.

    Args:
        threads: 1 to 64, the calling one included; None: one a core.
        time_limit, progress: As for `Compressor`; a call ends at its next head.
    """

    _what = "scorer"

    def __init__(
        self, *, threads: int | None = None, time_limit: float | None = None, progress: Progress | None = None
    ) -> None:
        super().__init__("flashvid_scorer", thread_count(threads), time_limit=time_limit, progress=progress)

    def attention_scores(
        self, queries: Any, keys: Any, *, scale: float | None = None, skip: int = 0, query: int | None = None
    ) -> Any:
        """What each token of a vision encoder's layer receives: what `compress` wants as attention.

        The softmax of a query's products over the keys, as the mean over heads and queries.
        O(F * H * N^2 * E), in matrix products.

        Args:
            queries, keys: [F, H, N, E] finite numbers, float32, float16 or bfloat16: frames, heads, tokens, and numbers
                a head. Encoders that have [F, N, H, E] pass a transposed view, which is not copied.
            scale: Factor of the products, of magnitude 1e30 at most and not 0; None: 1 / sqrt(E).
            skip: Tokens at the start of a frame that get no score, [CLS] and registers; the softmax runs over them all
                the same.
            query: Only what this token attends to counts, as CLIP's [CLS] row; None: the mean over all queries.

        Returns:
            [F, N - skip] scores in float32, of the queries' kind and device.

        Raises:
            Error: `Status.INVALID_SHAPE`, `Status.INVALID_CONFIGURATION` (scale), `Status.OUT_OF_RANGE` (skip, query),
                `Status.NOT_FINITE`, `Status.OUT_OF_MEMORY`, `Status.FORKED`.
        """
        asking = read(queries, "queries", "frames, heads, tokens, width")
        asked = read(keys, "keys", "frames, heads, tokens, width")
        if asking.shape != asked.shape:
            raise Error(
                Status.INVALID_SHAPE,
                f"keys have the shape {list(asked.shape)}; expected the queries', {list(asking.shape)}",
            )
        frames, heads, tokens, width = asking.shape
        struct = flashvid_encoder_attention(
            queries=asking.address,
            keys=asked.address,
            query_type=asking.type,
            key_type=asked.type,
            frames=frames,
            heads=heads,
            tokens=tokens,
            width=width,
            scale=factor(scale),
            skipped_tokens=whole("skip", skip),
            single_query=query is not None,
            query=0 if query is None else whole("query", query),
        )
        struct.query_frame_stride, struct.query_head_stride, struct.query_token_stride, _ = asking.strides
        struct.key_frame_stride, struct.key_head_stride, struct.key_token_stride, _ = asked.strides
        scores = numpy.empty((frames, max(0, tokens - skip)), dtype=numpy.float32)
        with self._entered():
            is_long = frames * heads * tokens**2 * width > LONG
            self._call("scores", ctypes.byref(struct), floats(scores), scores.size, is_long=is_long)
        return deliver(scores, framework_of(queries))

    def last_query_scores(self, query: Any, keys: Any, places: Any | None = None, *, scale: float | None = None) -> Any:
        """What the keys of a language model's layer receive from the last query: what `prune` wants.

        The mean over heads; the softmax runs over all keys. Both after RoPE. O(H * L * E).

        Args:
            query: [H, E] finite numbers: heads, and numbers a head.
            keys: [G, L, E] key heads, keys, numbers a head; H / G neighbouring heads of the query share one.
            places: The keys whose scores are wanted, in any order; None: all.
            scale: As in `attention_scores`.

        Returns:
            Scores in float32, in the order of the places, of the query's kind and device.

        Raises:
            Error: As `attention_scores`; `Status.OUT_OF_RANGE` for a place that is no key's.
        """
        asking = read(query, "query", "heads, width")
        asked = read(keys, "keys", "key heads, keys, width")
        if asking.shape[1] != asked.shape[2]:
            raise Error(
                Status.INVALID_SHAPE,
                f"keys have {asked.shape[2]} numbers a head; expected the query's, {asking.shape[1]}",
            )
        wanted = None if places is None else integers(places, "places")
        struct = flashvid_decoder_attention(
            query=asking.address,
            keys=asked.address,
            query_type=asking.type,
            key_type=asked.type,
            heads=asking.shape[0],
            width=asking.shape[1],
            key_heads=asked.shape[0],
            key_count=asked.shape[1],
            query_head_stride=asking.strides[0],
            key_head_stride=asked.strides[0],
            key_token_stride=asked.strides[1],
            scale=factor(scale),
            places=None if wanted is None else wanted.ctypes.data,
            place_count=0 if wanted is None else len(wanted),
        )
        scores = numpy.empty(asked.shape[1] if wanted is None else len(wanted), dtype=numpy.float32)
        with self._entered():
            self._call("last_query", ctypes.byref(struct), floats(scores), scores.size)
        return deliver(scores, framework_of(query))


def factor(scale: float | None) -> float:
    """A scale as the library takes it, where 0 is its own."""
    if scale == 0:
        raise Error(Status.INVALID_CONFIGURATION, "scale is 0; expected another number, or None for 1 / sqrt(width)")
    return 0.0 if scale is None else real("scale", scale)


def attention_scores(
    queries: Any,
    keys: Any,
    *,
    scale: float | None = None,
    skip: int = 0,
    query: int | None = None,
    threads: int | None = None,
) -> Any:
    """`Scorer.attention_scores`, once.

    >>> import numpy
    >>> queries, keys = numpy.random.default_rng(0).standard_normal((2, 4, 3, 10, 8), dtype=numpy.float32)
    >>> scores = attention_scores(queries, keys, skip=1)
    >>> scores.shape, bool(numpy.all(scores.sum(axis=1) < 1))
    ((4, 9), True)
    """
    with Scorer(threads=threads) as scorer:
        return scorer.attention_scores(queries, keys, scale=scale, skip=skip, query=query)


def last_query_scores(
    query: Any, keys: Any, places: Any | None = None, *, scale: float | None = None, threads: int | None = None
) -> Any:
    """`Scorer.last_query_scores`, once."""
    with Scorer(threads=threads) as scorer:
        return scorer.last_query_scores(query, keys, places, scale=scale)


def pruned_count(tokens: int, ratio: float) -> int:
    """Visual tokens that pruning keeps: ceil(tokens * ratio), in double precision.

    Raises:
        Error: `Status.INVALID_CONFIGURATION` (a ratio outside (0, 1]), `Status.INVALID_SHAPE`.

    >>> pruned_count(800, 0.3)
    240
    """
    count = ctypes.c_int64()
    call("flashvid_pruned_count", whole("tokens", tokens), real("ratio", ratio), ctypes.byref(count))
    return count.value


def prune(attention: Any, ratio: float) -> Any:
    """The visual tokens that stay inside the language model: those of largest attention, of equal ones the first.

    Pays back before a middle layer what `expansion` let in. The authors keep 0.3 before layer 20 of 28, and 0.1 before
    layer 28 of 36 (Qwen3-VL). O(V).

    Args:
        attention: [V] what the visual tokens receive from the last query, as the mean over heads
            (`last_query_scores`), finite; float32, float16 or bfloat16.
        ratio: Share that stays; in (0, 1].

    Returns:
        `pruned_count(V, ratio)` numbers of tokens, ascending, int64, of the attention's kind and device.

    Raises:
        Error: `Status.INVALID_CONFIGURATION`, `Status.INVALID_SHAPE`, `Status.NOT_FINITE`.

    >>> import numpy
    >>> prune(numpy.array([0.1, 0.4, 0.2, 0.3], dtype=numpy.float32), 0.5).tolist()
    [1, 3]
    """
    given = read(attention, "attention", "tokens", width=0)
    tokens = given.shape[0]
    kept = numpy.empty(pruned_count(tokens, ratio), dtype=numpy.int64)
    count = ctypes.c_int64()
    call(
        "flashvid_prune",
        given.address,
        given.type,
        tokens,
        given.strides[0],
        real("ratio", ratio),
        kept.ctypes.data,
        0,
        len(kept),
        ctypes.byref(count),
    )
    return deliver(kept, framework_of(attention))
