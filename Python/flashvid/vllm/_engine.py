"""What vLLM's engine lacks for this: a switch that its CPU runner forgets, and errors of one request.

Each is a function of vLLM's that is called as before, with something done around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Where the refused requests' names stand in a runner's output, for the scheduler, which may be in another process.
_NAME = "flashvid_refused"
#: Architectures of ours for which vLLM has settings under the names of its own.
_NAMED_LIKE = {
    "FlashVIDQwen3_5": "Qwen3_5ForConditionalGeneration",
    "FlashVIDQwen3_5_MoE": "Qwen3_5MoeForConditionalGeneration",
}


def _around(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Puts a function around a method, once in a process."""
    own = getattr(owner, name)
    if getattr(own, _NAME, None) is None:
        wrapped = make(own)
        setattr(wrapped, _NAME, own)
        setattr(owner, name, wrapped)


def prepare() -> None:
    """Makes vLLM's engine ready, in each of its processes: the first of its runners, and the second."""
    from vllm.model_executor.models.config import MODELS_CONFIG_MAP
    from vllm.platforms import current_platform
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.worker.gpu.model_runner import GPUModelRunner as SecondRunner
    from vllm.v1.worker.gpu.model_states.mm_pruning import MultiModalPruner
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    # VLLM settles what a model needs, such as the type of a recurrent state, by the architecture's name.
    for ours, theirs in _NAMED_LIKE.items():
        MODELS_CONFIG_MAP.setdefault(ours, MODELS_CONFIG_MAP[theirs])
    if current_platform.is_cpu():
        from vllm.v1.worker.cpu_model_runner import CPUModelRunner

        _around(CPUModelRunner, "load_model", _switched_on)
    _around(GPUModelRunner, "_gather_mm_embeddings", _noting_refusals)
    _around(GPUModelRunner, "sample_tokens", _telling_refusals)
    _around(MultiModalPruner, "recompute", _noting_refusals_of_second)
    _around(SecondRunner, "sample_tokens", _telling_refusals)
    _around(Scheduler, "update_from_output", _ending_refused)


def _switched_on(own: Callable[..., Any]) -> Callable[..., Any]:
    """The first CPU runner does not look whether videos are pruned, as the one for GPUs does once the model is loaded."""

    def load_model(self: Any, *positional: Any, **named: Any) -> None:
        own(self, *positional, **named)
        self.is_multimodal_pruning_enabled = bool(getattr(self.get_model(), "is_multimodal_pruning_enabled", False))

    return load_model


def _noting_refusals(own: Callable[..., Any]) -> Callable[..., Any]:
    """The model is asked for each request of a step, in order, and does not know whose prompt it sees."""

    def _gather_mm_embeddings(self: Any, *positional: Any, **named: Any) -> Any:
        return _noted(
            self, self.get_model(), lambda: own(self, *positional, **named), lambda: list(self.input_batch.req_ids))

    return _gather_mm_embeddings


def _noting_refusals_of_second(own: Callable[..., Any]) -> Callable[..., Any]:
    """The second runner asks for those requests only of which an image or a video is in the step."""

    def recompute(self: Any, mm_embeds: Any, input_batch: Any, req_states: Any) -> Any:
        starts = input_batch.num_computed_prefill_tokens_np.tolist()
        counts = input_batch.num_scheduled_tokens.tolist()
        return _noted(self, self.model, lambda: own(self, mm_embeds, input_batch, req_states), lambda: [
            name for name, start, count in zip(input_batch.req_ids, starts, counts)
            if self._num_window_embeds(name, start, start + count)])

    return recompute


def _noted(owner: Any, model: Any, gather: Callable[[], Any], asked: Callable[[], list[str]]) -> Any:
    refusals = getattr(model, "refusals", None)
    if refusals is None:
        return gather()
    refusals.clear()
    gathered = gather()
    if any(refusals):
        names: set[str] = getattr(owner, _NAME, set())
        setattr(owner, _NAME, names | {name for name, refused in zip(asked(), refusals) if refused})
    refusals.clear()
    return gathered


def _telling_refusals(own: Callable[..., Any]) -> Callable[..., Any]:
    def sample_tokens(self: Any, *positional: Any, **named: Any) -> Any:
        output = own(self, *positional, **named)
        owner = getattr(getattr(self, "model_state", None), "mm_pruner", None) or self
        names = getattr(owner, _NAME, None)
        if names and output is not None:
            for inner in ("_model_runner_output", "model_runner_output"):  # of an output that is still under way
                output_of = getattr(output, inner, None)
                if output_of is not None:
                    setattr(output_of, _NAME, names)
            setattr(output, _NAME, names)
            setattr(owner, _NAME, set())
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
