"""An engine of vLLM's in a process of its own: it takes batches of requests, and says what became of each.

    python engine.py JOB.pickle RESULT.pickle
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from requests_of import Request

ENVIRONMENT = dict(
    VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_ENABLE_V1_MULTIPROCESSING="0")


@dataclass
class Job:
    """What an engine is to do.

    Attributes:
        batches: Requests that are given to the engine together.
        options: Arguments of `vllm.LLM`.
        bad: Seeds of clips whose features the encoder is to spoil, with a number that is not finite.
    """

    model: str
    batches: list[list[Request]]
    options: dict[str, Any] = field(default_factory=dict)
    bad_calls: tuple[int, ...] = ()


@dataclass
class Answer:
    """What became of a request.

    Attributes:
        prompt: The prompt's tokens.
        tokens: The answer's.
        cached: How many of the prompt were a cached prefix.
        reason: Why it ended.
        positions: [3, L] of all that was read of prompt and answer, in the order in which it was.
        parts: In how many parts it was read, the answer's tokens included.
    """

    prompt: list[int]
    tokens: list[int]
    cached: int
    reason: str
    positions: Any
    parts: int


@dataclass
class Result:
    answers: list[list[Answer]]
    rows: list[Any]
    said: str = ""


def run(job: Job, environment: dict[str, str] | None = None, check: bool = True) -> Result:
    """Starts an engine for a job."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "job", Path(folder) / "result"
        asked.write_bytes(pickle.dumps(job))
        command = [sys.executable, __file__, str(asked), str(answered)]
        done = subprocess.run(
            command, env=os.environ | ENVIRONMENT | (environment or {}), capture_output=True, text=True, timeout=600)
        said = done.stdout + done.stderr
        if done.returncode and check:
            raise AssertionError(f"the engine ended with {done.returncode}:\n{said[-6000:]}")
        if done.returncode:
            return Result([], [], said)
        result: Result = pickle.loads(answered.read_bytes())
        result.said = said
        return result


def runner_of(llm: Any) -> Any:
    return llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker.model_runner


def note_masks(rows: list[Any]) -> None:
    """Notes which tokens vLLM's own methods keep."""
    from vllm.model_executor.models import qwen2_5_vl, qwen3_vl

    def noting(own: Any) -> Any:
        def compute(*positional: Any, **named: Any) -> Any:
            mask = own(*positional, **named)
            rows.append((None, mask.nonzero()[:, 0]))
            return mask

        return compute

    for module in (qwen2_5_vl, qwen3_vl):
        for name in ("compute_retention_mask", "vidcom2_compute_retention_mask"):
            if hasattr(module, name):
                setattr(module, name, noting(getattr(module, name)))


def main(job: Job) -> Result:
    import torch
    from vllm import LLM, SamplingParams

    defaults: dict[str, Any] = dict(
        enforce_eager=True, max_model_len=4096, max_num_batched_tokens=4096, dtype="float32", max_num_seqs=8, seed=0,
        limit_mm_per_prompt={"image": 2, "video": 3}, disable_log_stats=False)
    llm = LLM(model=job.model, **defaults | job.options)
    runner = runner_of(llm)
    read: dict[str, list[Any]] = {}

    def execute(scheduled: Any, *rest: Any, **named: Any) -> Any:
        result = own(scheduled, *rest, **named)
        counts = [scheduled.num_scheduled_tokens[name] for name in runner.input_batch.req_ids]
        if scheduled.total_num_scheduled_tokens:
            parts = runner.mrope_positions.cpu[:, : sum(counts)].clone().split(counts, 1)
            for name, part in zip(runner.input_batch.req_ids, parts):
                read.setdefault(name, []).append(part)
        return result

    own, runner.execute_model = runner.execute_model, execute
    rows: list[Any] = []
    model = runner.get_model()
    if hasattr(model, "_rows"):
        own_rows = model._rows

        def note(embeddings: Any, *rest: Any) -> Any:
            if len(rows) in job.bad_calls:
                embeddings = [each.clone() for each in embeddings]
                embeddings[0][3, 5] = float("nan")
            made = own_rows(embeddings, *rest)
            rows.extend((each.values.clone(), each.indices.clone()) for each in made)
            return made

        model._rows = note
    else:
        note_masks(rows)
    answers = []
    for batch in job.batches:
        settings = [SamplingParams(temperature=0, max_tokens=each.tokens, ignore_eos=True) for each in batch]
        try:
            made = llm.generate([each.for_vllm() for each in batch], settings, use_tqdm=False)
        except ValueError as error:
            answers.append([Answer([], [], 0, f"refused: {error}"[:2000], None, 0) for _ in batch])
            continue
        # Names that the engine gives are those of the requests with something behind them.
        found = [next(value for name, value in read.items() if name.split("-")[0] == each.request_id) for each in made]
        answers.append([
            Answer(
                list(each.prompt_token_ids or []), list(each.outputs[0].token_ids), each.num_cached_tokens or 0,
                str(each.outputs[0].finish_reason), torch.cat(parts, 1), len(parts))
            for each, parts in zip(made, found)])
    return Result(answers, rows)


if __name__ == "__main__":
    import engine  # by its name, so that what is pickled is not of __main__

    Path(sys.argv[2]).write_bytes(pickle.dumps(engine.main(pickle.loads(Path(sys.argv[1]).read_bytes()))))
