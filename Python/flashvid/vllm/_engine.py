"""What vLLM's engine lacks for this: a switch that its CPU runner forgets, and errors of one request.

Each is a function of vLLM's that is called as before, with something done around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Where the refused requests' names stand in a runner's output, for the scheduler, which may be in another process.
_NAME = "flashvid_refused"


def _around(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Puts a function around a method, once in a process."""
    own = getattr(owner, name)
    if getattr(own, _NAME, None) is None:
        wrapped = make(own)
        setattr(wrapped, _NAME, own)
        setattr(owner, name, wrapped)


def prepare() -> None:
    """Makes vLLM's engine ready, in each of its processes."""
    from vllm.platforms import current_platform
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    if current_platform.is_cpu():
        from vllm.v1.worker.cpu_model_runner import CPUModelRunner

        _around(CPUModelRunner, "load_model", _switched_on)
    _around(GPUModelRunner, "_gather_mm_embeddings", _noting_refusals)
    _around(GPUModelRunner, "sample_tokens", _telling_refusals)
    _around(Scheduler, "update_from_output", _ending_refused)


def _switched_on(own: Callable[..., Any]) -> Callable[..., Any]:
    """The CPU runner does not look whether videos are pruned, as the one for GPUs does once the model is loaded."""

    def load_model(self: Any, *positional: Any, **named: Any) -> None:
        own(self, *positional, **named)
        self.is_multimodal_pruning_enabled = bool(getattr(self.get_model(), "is_multimodal_pruning_enabled", False))

    return load_model


def _noting_refusals(own: Callable[..., Any]) -> Callable[..., Any]:
    """Finds the request to which a prompt with a refused video belongs: the model knows the prompt alone."""

    def _gather_mm_embeddings(self: Any, *positional: Any, **named: Any) -> Any:
        prompts = getattr(self.get_model(), "refused_prompts", None)
        if prompts is None:
            return own(self, *positional, **named)
        prompts.clear()
        gathered = own(self, *positional, **named)
        names = getattr(self, _NAME, set())
        names.update(
            name for name in self.input_batch.req_ids
            if any(self.requests[name].prompt_token_ids is prompt for prompt in prompts))
        setattr(self, _NAME, names)
        prompts.clear()
        return gathered

    return _gather_mm_embeddings


def _telling_refusals(own: Callable[..., Any]) -> Callable[..., Any]:
    def sample_tokens(self: Any, *positional: Any, **named: Any) -> Any:
        output = own(self, *positional, **named)
        names = getattr(self, _NAME, None)
        if names and output is not None:
            # An output that is still under way has the real one inside.
            setattr(getattr(output, "_model_runner_output", output), _NAME, set(names))
            names.clear()
        return output

    return sample_tokens


def _ending_refused(own: Callable[..., Any]) -> Callable[..., Any]:
    """Ends refused requests as the scheduler ends those whose encoder outputs do not fit, with an error."""

    def update_from_output(self: Any, scheduler_output: Any, model_runner_output: Any) -> Any:
        for name in getattr(model_runner_output, _NAME, ()):
            if name in self.requests:
                # No later request may take what was computed from a refused video for its prefix.
                self.kv_cache_manager.evict_blocks({
                    block for group in self.kv_cache_manager.get_block_ids(name) for block in group})
                self.encoder_cache_mismatch_reqs.add(name)
        return own(self, scheduler_output, model_runner_output)

    return update_from_output
