"""Handles of the library's: who may call, and when they are freed."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._errors import Error, Status, call, error
from ._library import function

if TYPE_CHECKING:
    from typing_extensions import Self

_ERROR_BYTES = 1024


def _destroy(prefix: str, handle: ctypes.c_void_p, process: int) -> None:
    # A child made by fork() has the handle's memory and not its threads: it is the parent's to free.
    if os.getpid() == process:
        function(f"{prefix}_destroy")(handle)


class Handle:
    """A handle of the library's, freed by `close`, by `with`, with the object, or when Python ends.

    Calls from several threads wait for one another. In a child made by fork() every call raises an error with
    `Status.FORKED`, since the handle's threads stayed in the parent; a new object works there.
    """

    _what = "handle"

    def __init__(self, prefix: str, *arguments: Any) -> None:
        handle = ctypes.c_void_p()
        self._prefix = prefix
        self._process = os.getpid()
        self._lock = threading.Lock()
        call(f"{prefix}_create", *arguments, ctypes.byref(handle))
        self._free = weakref.finalize(self, _destroy, prefix, handle, self._process)
        self._handle = handle

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Holds the handle. What is done within is one step for other threads."""
        # Before the lock, which another thread may have held when the child was made.
        if os.getpid() != self._process:
            raise Error(
                Status.FORKED,
                f"this {self._what} was made before fork(), and its threads stayed in the parent; make a new one here",
            )
        with self._lock:
            if not self._free.alive:
                raise ValueError(f"this {self._what} is closed")
            yield

    def _call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the handle's, which is held, and raises what it refuses."""
        status = function(f"{self._prefix}_{name}")(self._handle, *arguments)
        if status:
            raise self._error(status)

    def _error(self, status: int) -> Error:
        text = ctypes.create_string_buffer(_ERROR_BYTES)
        if status != Status.BUSY:
            function(f"{self._prefix}_error")(self._handle, text, _ERROR_BYTES)
        return error(status, text.value.decode(errors="replace"))

    @property
    def threads(self) -> int:
        """Threads that work on a call, the calling one included."""
        with self._entered():
            return int(function(f"{self._prefix}_threads")(self._handle))

    def close(self) -> None:
        """Ends the threads and frees the memory, once a call that runs is over. Closing again does nothing."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
