"""Statuses and exceptions."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any

from ._library import function

_MESSAGE_BYTES = 512


class Status(IntEnum):
    """Why a call was refused; flashvid.h says what each means."""

    OK = 0
    NULL_POINTER = 1
    INVALID_ARGUMENT = 2
    INVALID_STRUCT = 3
    UNSUPPORTED = 4
    INVALID_CONFIGURATION = 5
    INVALID_SHAPE = 6
    SIZE_OVERFLOW = 7
    INVALID_STRIDE = 8
    MISALIGNED = 9
    OVERLAP = 10
    BUFFER_TOO_SMALL = 11
    NOT_FINITE = 12
    NEGATIVE_ATTENTION = 13
    NOT_REPRESENTABLE = 14
    OUT_OF_MEMORY = 15
    BUSY = 16
    NO_SEGMENT = 17
    SEGMENT_PENDING = 18
    FINISHED = 19
    NOT_TRIED = 20
    OUT_OF_RANGE = 21
    INVALID_ORDER = 22
    IMPOSSIBLE = 23
    FORKED = 24
    CANCELLED = 25


class Error(ValueError):
    """What the engine refused: its text, which says what was wrong and where, and `status`, for programs.

    A call that raises has done nothing: no result, and the caller's arrays are as they were.
    """

    status: Status

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = Status(status)

    def __str__(self) -> str:
        return str(self.args[1])


class OutOfMemoryError(Error, MemoryError):
    """The system refused the memory; `status` is `Status.OUT_OF_MEMORY`."""


def error(status: int, message: str) -> Error:
    """The exception of a status."""
    if not message:
        message = function("flashvid_status_name")(status).decode()
    kind = OutOfMemoryError if status == Status.OUT_OF_MEMORY else Error
    return kind(status, message)


def call(name: str, *arguments: Any) -> None:
    """Calls a function that takes no handle, and raises what it refuses."""
    message = ctypes.create_string_buffer(_MESSAGE_BYTES)
    status = function(name)(*arguments, message, _MESSAGE_BYTES)
    if status:
        raise error(status, message.value.decode(errors="replace"))


def call_plain(name: str, *arguments: Any) -> None:
    """The same for a function that gives no text."""
    status = function(name)(*arguments)
    if status:
        raise error(status, f"{name.removeprefix('flashvid_')}: {Status(status).name.lower().replace('_', ' ')}")
