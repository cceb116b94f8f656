"""Whether this can work here. It overrides internals of vLLM's, which a minor version may change."""

from __future__ import annotations

#: The minor version of vLLM that the models are made for, and tested with.
SUPPORTED = "0.32"


def problem() -> str | None:
    """None, or why the models cannot work, in a sentence."""
    import vllm

    version = str(vllm.__version__)
    if version.split(".")[:2] != SUPPORTED.split("."):
        return (
            f"FlashVID's models are made for vLLM {SUPPORTED} and this is {version}: install vllm=={SUPPORTED}.*, or a version "
            "of flashvid that is made for this one")
    return None
