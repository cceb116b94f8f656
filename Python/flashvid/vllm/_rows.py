"""What the engine makes of a video: scores from the vision encoder's attention, and rows. Nothing of vLLM's."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import Error, PatchGrid, Scorer, compress
from .._configuration import Model

logger = logging.getLogger("vllm.flashvid")
_said: set[str] = set()


def say_once(message: str) -> None:
    if message not in _said:
        _said.add(message)
        logger.warning(message)


class Rows(NamedTuple):
    """K rows of a video, the tokens whose places they take, ascending, and whether the engine refused the video."""

    values: Tensor
    indices: Tensor
    refused: bool


class EncoderAttention:
    """What each token of a frame receives in the last layer of the vision encoder that sees the frame as a whole.

    Kernels do not tell. So the layer's queries and keys, rotated, are kept while the encoder runs, and the scores worked out
    from them once it is known that they are a video's.

    Args:
        visual: vLLM's vision encoder.
        why_not: None, or why its attention cannot be used.
    """

    def __init__(self, visual: nn.Module, why_not: str | None = None) -> None:
        self._visual: Any = visual
        self._seen: tuple[Tensor, Tensor, float] | None = None
        self._why_not = why_not
        if why_not is None:
            layers = getattr(visual, "fullatt_block_indexes", None) or [-1]
            self._visual.blocks[max(layers)].attn.attn.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, module: Any, _: Any, arguments: dict[str, Any]) -> None:
        self._seen = arguments["query"].detach(), arguments["key"].detach(), float(module.scale)

    def forget(self) -> None:
        self._seen = None

    def take(self, grids: list[list[int]], threads: int | None = None) -> list[Tensor | None]:
        """[F, N] for each of the videos that the encoder saw last, or None where its attention is not known.

        Raises:
            Error: Queries or keys that are not finite.
        """
        seen, self._seen = self._seen, None
        sizes = [frames * rows * columns for frames, rows, columns in grids]
        if seen is None or seen[0].shape[0] * seen[0].shape[1] != sum(sizes):
            why = self._why_not or "no encoder ran, or none that tells its attention"
            say_once(f"FlashVID: without the encoder's attention ({why}); tokens are selected by their features alone")
            return [None] * len(grids)
        queries, keys, scale = seen
        scores: list[Tensor | None] = []
        with Scorer(threads=threads) as scorer:
            for grid, query, key in zip(grids, queries.flatten(0, 1).split(sizes), keys.flatten(0, 1).split(sizes)):
                query, key = (each.unflatten(0, (grid[0], -1)).transpose(1, 2) for each in (query, key))
                patches = scorer.attention_scores(query, key, scale=scale)
                scores.append(self._patch_grid(grid).attention(patches))
        return scores

    def _patch_grid(self, grid: list[int]) -> PatchGrid:
        _, rows, columns = grid
        visual = self._visual
        return PatchGrid(
            rows, columns, merge_size=int(visual.spatial_merge_size), window_pixels=int(getattr(visual, "window_size", 0)),
            patch_pixels=int(visual.patch_size))


@contextmanager
def cores(ranks: int = 1) -> Iterator[int]:
    """The number of threads for the engine, and as long as this lasts the cores that are this process's.

    VLLM's CPU worker names a core for each thread of OpenMP's. That binds the calling thread to the first of them, and threads
    that it starts would all be there.
    """
    values = (os.environ.get(name, "") for name in ("GOMP_CPU_AFFINITY", "KMP_AFFINITY", "OMP_PLACES"))
    lists = [found[1] for value in values if (found := re.fullmatch(r"(?:.*proclist=)?[\[{]?([\d, ]+)[\]}]?", value))]
    own = os.sched_getaffinity(0)
    bound = {int(number) for number in re.findall(r"\d+", lists[0])} if lists else set()
    if not bound or not own < bound:
        yield max(1, min(len(own), (os.cpu_count() or 1) // ranks, 64))
        return
    os.sched_setaffinity(0, bound)
    try:
        yield min(len(bound), 64)
    finally:
        os.sched_setaffinity(0, own)


def compressed(
    features: Tensor, scores: Tensor | None, count: int, preset: Model, threads: int | None = None
) -> Rows:
    """A video's features [F, N, D] as exactly so many rows.

    What the engine refuses, such as numbers that are not finite, becomes rows of zeros, marked as refused: an exception
    would end the server, and numbers that are not finite would spread in its cache.
    """
    try:
        made = compress(features, scores, preset=preset, rows=count, threads=threads)
    except Error as error:
        return refused(features, count, error)
    return Rows(made.tokens, made.indices, False)


def refused(features: Tensor, count: int, error: Error) -> Rows:
    logger.error("FlashVID refuses a video: %s", error)
    return Rows(features.new_zeros((count, features.shape[-1])), torch.arange(count, device=features.device), True)
