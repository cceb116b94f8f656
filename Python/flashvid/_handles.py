"""Handles of the library's: who may call, how a call ends early, and when they are freed."""

from __future__ import annotations

import _thread
import ctypes
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._arguments import real
from ._errors import Error, Status, call, error
from ._library import flashvid_progress, function

if TYPE_CHECKING:
    from typing_extensions import Self

_ERROR_BYTES = 1024

Progress = Callable[[float], Any]


class _Owner:
    """What frees a handle, once, and when nobody uses it."""

    def __init__(self, prefix: str, handle: ctypes.c_void_p) -> None:
        self.prefix = prefix
        self.handle = handle
        self.process = os.getpid()
        #: Held by a call, and what it asks about itself afterwards.
        self.calls = threading.Lock()
        #: Held while somebody sees to it that the handle lives.
        self.life = threading.Lock()
        self.is_open = True

    @property
    def is_inherited(self) -> bool:
        """Whether this is a child made by fork(): it has the handle's memory, the parent's to free, and not its
        threads."""
        return os.getpid() != self.process

    def free(self) -> None:
        """For who holds the calls."""
        with self.life:
            if self.is_open:
                self.is_open = False
                function(f"{self.prefix}_destroy")(self.handle)

    def free_if_idle(self) -> None:
        """When the object goes, or Python ends; another thread may be in the middle of a call even then."""
        if not self.is_inherited and self.calls.acquire(blocking=False):
            self.free()

    def cancel(self) -> None:
        if self.is_inherited:
            return
        with self.life:
            if self.is_open:
                function(f"{self.prefix}_cancel")(self.handle)


class Handle:
    """A handle of the library's, freed by `close`, by `with`, with the object, or when Python ends.

    Calls from several threads wait for one another. In a child made by fork() every call raises an error with
    `Status.FORKED`, since the handle's threads stayed in the parent; a new object works there.
    """

    _what = "handle"

    def __init__(
        self, prefix: str, *arguments: Any, time_limit: float | None = None, progress: Progress | None = None
    ) -> None:
        self._handle = ctypes.c_void_p()
        call(f"{prefix}_create", *arguments, ctypes.byref(self._handle))
        self._prefix = prefix
        self._owner = _Owner(prefix, self._handle)
        weakref.finalize(self, self._owner.free_if_idle)
        #: What the progress callback raised, for the call that it ended.
        self._raised: list[BaseException] = []
        if time_limit is not None:
            self._call("set_time_limit", real("time_limit", time_limit))
        if progress is not None:
            self._told = _callback(progress, self._raised)
            self._call("set_progress", self._told, None)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Holds the handle. What is done within is one step for other threads."""
        # Before the lock, which another thread may have held when the child was made.
        if self._owner.is_inherited:
            raise Error(
                Status.FORKED,
                f"this {self._what} was made before fork(), and its threads stayed in the parent; make a new one here",
            )
        with self._owner.calls:
            if not self._owner.is_open:
                raise ValueError(f"this {self._what} is closed")
            yield

    def _call(self, name: str, *arguments: Any, is_long: bool = False) -> None:
        """Calls a function of the handle's, which is held, and raises what it refuses.

        A long call of the main thread's is made on another one: Python hears of an interrupt on the main thread alone,
        which then ends the call at its next frame.
        """
        called = function(f"{self._prefix}_{name}")
        self._raised.clear()
        if is_long and _is_interruptible():
            status = _interruptible(lambda: called(self._handle, *arguments), self.cancel)
        else:
            status = called(self._handle, *arguments)
        if self._raised:
            raise self._raised.pop()
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

    def cancel(self) -> None:
        """Ends the call that is under way in another thread: at its next frame it raises `Status.CANCELLED`.

        Where none is, nothing happens, and calls that begin later are not ended.
        """
        self._owner.cancel()

    def close(self) -> None:
        """Ends the threads and frees the memory, once a call that runs is over. Closing again does nothing."""
        if not self._owner.is_inherited:
            with self._owner.calls:
                self._owner.free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _callback(progress: Progress, raised: list[BaseException]) -> Any:
    """A callback for the library; what it raises ends the call, which raises it in turn."""

    def told(share: float, _: Any) -> int:
        try:
            progress(share)
            return 0
        except BaseException as failure:
            raised.append(failure)
            return 1

    return flashvid_progress(told)


def _is_interruptible() -> bool:
    return threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT))


def _interruptible(call: Callable[[], int], cancel: Callable[[], None]) -> int:
    """Makes a call on another thread, and ends it early where this one is interrupted meanwhile.

    Returns or raises when the call has returned, so that what it reads and writes is in use no longer.
    """
    guard, finished = threading.Lock(), threading.Lock()
    finished.acquire()
    state = {"abandoned": False, "begun": False, "status": 0}

    def run() -> None:
        with guard:
            if state["abandoned"]:
                return
            state["begun"] = True
        try:
            state["status"] = call()
        finally:
            finished.release()

    try:
        _thread.start_new_thread(run, ())
        finished.acquire()
    except BaseException:
        with guard:
            state["abandoned"] = True
        # Again and again, since the call may be about to begin, and further interrupts may come.
        while state["begun"]:
            try:
                cancel()
                if finished.acquire(timeout=0.005):
                    break
            except BaseException:
                continue
        raise
    return state["status"]
