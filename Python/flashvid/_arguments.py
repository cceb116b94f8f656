"""Numbers and names of the caller's, checked before ctypes would cut them to size."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from ._errors import Error, Status


def whole(name: str, value: Any, bits: int = 64) -> int:
    """An integer that fits into so many bits: an int, or one of NumPy's."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected an integer") from None
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise Error(Status.SIZE_OVERFLOW, f"{name} is {number}, which is too large")
    return number


def real(name: str, value: Any) -> float:
    """A number: a float, an int, or one of NumPy's."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} is {value!r}; expected a number")
    try:
        return float(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected a number") from None
    except OverflowError:
        raise Error(Status.SIZE_OVERFLOW, f"{name} is {value}, which is too large") from None


def choice(name: str, value: Any, choices: Mapping[str, int]) -> int:
    """The library's number of a name."""
    if isinstance(value, str) and value in choices:
        return choices[value]
    expected = ", ".join(repr(known) for known in choices)
    raise Error(Status.INVALID_ARGUMENT, f"{name} is {value!r}; expected one of {expected}")


def thread_count(threads: Any | None) -> int:
    """The library's number of threads, where 0 is one a core."""
    if threads is None:
        return 0
    number = whole("threads", threads, bits=32)
    if number == 0:
        raise Error(Status.INVALID_ARGUMENT, "0 threads; expected 1 to 64, or None for one a core")
    return number
