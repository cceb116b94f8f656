"""The families of models: one a file. A new one is a new file here with a subclass of `Family`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from transformers import __version__ as transformers_version

from ... import Error, Status
from .._family import Family
from ._refused import REFUSED as REFUSED

OLDEST = "5.18"


@cache
def families() -> dict[str, Family]:
    """By `config.model_type`."""
    found: dict[str, Family] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        for kind in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(kind, type) and issubclass(kind, Family) and "model_types" in vars(kind):
                for model_type in kind.model_types:
                    found.setdefault(model_type, kind())
    return found


def family_of(model: Any) -> Family:
    """The family of a model.

    Raises:
        Error: `Status.UNSUPPORTED`, with the reason: a family that is refused or not known, or an old transformers.
    """
    config = getattr(model, "config", None)
    model_type: str = getattr(config, "model_type", None) or ""
    family = families().get(model_type)
    if family is None:
        reason = REFUSED.get(model_type, "no family of this name is known; a new one is a file in flashvid.transformers.families")
        raise Error(Status.UNSUPPORTED, f"{model_type or type(model).__name__}: {reason}")
    if not getattr(model, "_supports_mm_encoder_outputs", bool)():
        raise Error(
            Status.UNSUPPORTED,
            f"{type(model).__name__} takes no encoded videos: expected a model that generates, of transformers {OLDEST} or "
            f"newer; this is {transformers_version}")
    return family
