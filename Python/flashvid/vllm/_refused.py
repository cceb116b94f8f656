"""Imported in place of a model that cannot work here: raises the reason, which vLLM then logs."""

from ._version import problem

raise RuntimeError(problem())
