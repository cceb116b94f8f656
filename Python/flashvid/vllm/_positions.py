"""Positions of compressed videos in M-RoPE: nothing of vLLM's.

Text has the positions of the uncompressed prompt from the start: they hang on the sizes of images and videos alone. The
rows of an image or a video carry theirs, counted from the item's first, in channels behind their values, and write them
when their part of the prompt is read. So no text is ever moved, and the order in which parts of a prompt are read does not
matter: whole, in chunks, or behind a prefix that was cached.

Rows may be kept in bfloat16, which holds every whole number up to 256 and not those beyond, so a number is written as
digits of base 128.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_BASE = 128
_DIGITS = 3
#: Time, height, width, the row's own number, and how many rows stand before the item's first placeholder.
_NUMBERS = 5
#: Behind the numbers: whether the item was refused.
CHANNELS = _NUMBERS * _DIGITS + 1


class Item(NamedTuple):
    """An image or a video of a prompt: its place, and the largest of its positions, counted from its first."""

    offset: int
    length: int
    last: int


class Settled(NamedTuple):
    """What the rows of a part of a prompt say: their values, the prompt's positions [3, L] with theirs written, by how much
    positions run ahead of the prompt's length, and whether one of the items was refused."""

    values: list[Tensor]
    positions: Tensor
    ahead: int
    refused: bool


def attach(values: Tensor, positions: Tensor, lead: int = 0, refused: bool = False) -> Tensor:
    """The rows [K, D] of an item with their positions [3, K] behind them: [K, D + CHANNELS].

    Args:
        lead: How many of the rows stand before the first placeholder of the item's in the prompt.
    """
    count = len(values)
    numbers = torch.stack([*positions.cpu(), torch.arange(count), torch.full((count,), lead)], 1)
    digits = torch.stack([numbers // _BASE**power % _BASE for power in reversed(range(_DIGITS))], 2).flatten(1)
    marks = torch.cat([digits, torch.full((count, 1), int(refused))], 1)
    return torch.cat([values, marks.to(values.device, values.dtype)], 1)


def lay_out(length: int, items: Iterable[Item]) -> tuple[Tensor, int]:
    """Positions [3, L] of a prompt, final for its text, and by how much they run ahead.

    Places of items hold the item's last position until its rows are read.
    """
    parts: list[Tensor] = []
    at = position = 0

    def text(until: int) -> None:
        nonlocal at, position
        parts.append(torch.arange(position, position + until - at).expand(3, -1))
        at, position = until, position + until - at

    for item in sorted(items):
        text(item.offset)
        parts.append(torch.full((3, item.length), position + item.last))
        at, position = item.offset + item.length, position + item.last + 1
    text(length)
    return torch.cat(parts, 1), position - length


def settle(
    ids: Sequence[int] | Tensor, rows: Sequence[Tensor], positions: Tensor, computed: int, placeholders: Sequence[int]
) -> Settled:
    """Takes the marks off the rows of a part of a prompt, and writes their positions.

    Args:
        ids: [L] the prompt's tokens.
        rows: For each item that reaches into the part those of its rows that do, in the order of the prompt.
        positions: [3, L] as `lay_out` gave them, and with the rows written that were read before.
        computed: Where the part begins.
        placeholders: Tokens that stand for a row.
    """
    positions = positions.clone()
    values, refused, at = [], False, computed
    known: Tensor | None = None
    for each in rows:
        values.append(each[:, :-CHANNELS])
        if not len(each):
            continue
        marks = each[:, -CHANNELS:].to(positions.device, torch.long)
        refused |= bool(marks[0, -1])
        powers = torch.tensor([_BASE**power for power in reversed(range(_DIGITS))], device=positions.device)
        numbers = (marks[:, :-1].view(-1, _NUMBERS, _DIGITS) * powers).sum(2)
        row, lead = int(numbers[0, 3]), int(numbers[0, 4])
        if row == 0:
            if known is None:
                tokens = torch.as_tensor(ids, device=positions.device)
                known = torch.isin(tokens, torch.tensor(placeholders, device=positions.device)).nonzero()[:, 0]
            at = int(known[known >= at + lead][0]) - lead
        # What stands before an item is text, or an item's last row: the largest position so far.
        start = at - row
        base = int(positions[:, start - 1].max()) + 1 if start else 0
        positions[:, at : at + len(each)] = numbers[:, :3].T + base
        at += len(each)
    return Settled(values, positions, int(positions.max()) + 1 - positions.shape[1], refused)
