"""The table of families, the page, and the README's lines."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
import transformers
from tiny import TINY

import flashvid
import flashvid.transformers
from flashvid.transformers import families, family_of, prepare, table
from flashvid.transformers.families import REFUSED

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "Python" / "docs" / "transformers.md"


def test_the_page_has_the_table_of_the_registry() -> None:
    """Write it anew with `python -c "import flashvid.transformers as t; print(t.table())"`."""
    assert table() in PAGE.read_text()


def test_the_readme_counts_the_families() -> None:
    named = re.search(r"for (\d+) families of video models", (ROOT / "README.md").read_text())
    assert named is not None and int(named[1]) == len({type(family) for family in families().values()})


def test_every_family_has_a_tiny_model() -> None:
    assert {tiny.model_type for tiny in TINY.values()} == set(families())
    assert not set(families()) & set(REFUSED)


def test_the_page_runs() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert not failed and tried > 5


def test_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    block = next(each for each in blocks if "flashvid.transformers" in each)
    shown = [int(number) for number in re.findall(r"print\(.*\)  # (\d+)", block)]
    printed = io.StringIO()
    scope: dict[str, Any] = {}
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "README.md", "exec"), scope)
    assert [int(line) for line in printed.getvalue().split()] == shown and len(shown) == 2
    assert scope["answer"].shape[1] > shown[1]


def video_models() -> set[str]:
    """`config.model_type` of whatever in this version of transformers generates text from a video."""
    found = set()
    folder = Path(transformers.__file__).parent / "models"
    for file in folder.glob("*/modeling_*.py"):
        text = file.read_text()
        if "def get_video_features" in text and "GenerationMixin" in text:
            found.add(file.parent.name)
    return found


def test_every_video_model_of_transformers_works_or_is_refused_by_name() -> None:
    said = {name.removesuffix("_thinker") for name in families()} | set(REFUSED)
    assert video_models() - said == set()


class Config:
    def __init__(self, model_type: str) -> None:
        self.model_type = model_type


class Model:
    def __init__(self, model_type: str) -> None:
        self.config = Config(model_type)


@pytest.mark.parametrize("model_type", [*REFUSED, "bert", "llava_onevision"])
def test_refusals_say_what_and_why(model_type: str) -> None:
    reason = {"bert": "no family of this name is known", "llava_onevision": "takes no encoded videos"}
    with pytest.raises(flashvid.Error, match=re.escape(reason.get(model_type) or REFUSED[model_type])) as refused:
        family_of(Model(model_type))
    assert refused.value.status == flashvid.Status.UNSUPPORTED
    assert model_type in str(refused.value) or "Model" in str(refused.value)


def test_an_object_that_is_no_model_is_refused() -> None:
    with pytest.raises(flashvid.Error, match="str"):
        prepare("a model", {})  # type: ignore[arg-type]


REFUSED_INPUTS: list[tuple[dict[str, Any], str]] = [
    (dict(input_ids=None), "have no input_ids"),
    (dict(inputs_embeds=0), "have inputs_embeds"),
    (dict(mm_encoder_outputs=0), "have mm_encoder_outputs"),
    (dict(past_key_values=0), "a later turn is next_turn's"),
    (dict(cache=0), "a later turn is next_turn's"),
]


@pytest.mark.parametrize("given, match", REFUSED_INPUTS, ids=str)
def test_inputs_that_are_refused(given: dict[str, Any], match: str, model_of: Any) -> None:
    tiny = TINY["qwen2_5_vl"]
    with pytest.raises(flashvid.Error, match=match):
        prepare(model_of(tiny), tiny.inputs() | given)


def test_a_prompt_that_does_not_fit_its_video(model_of: Any) -> None:
    tiny = TINY["qwen2_5_vl"]
    inputs = tiny.inputs()
    inputs["input_ids"] = inputs["input_ids"].clone()
    inputs["input_ids"][0, 10] = 5
    inputs["mm_token_type_ids"][0, 10] = 0
    with pytest.raises(flashvid.Error, match="the prompt has 119 placeholders of video tokens; the encoder gave 120 rows"):
        prepare(model_of(tiny), inputs)
    llava = TINY["llava_onevision"]
    inputs = llava.inputs()
    inputs["input_ids"][0, 10] = 5
    with pytest.raises(flashvid.Error, match="the prompt has 128 placeholders of video tokens; the encoder gave 129 rows"):
        prepare(model_of(llava), inputs)


def test_frames_as_images(model_of: Any) -> None:
    tiny = TINY["internvl"]
    with pytest.raises(flashvid.Error, match="say with frames= how many"):
        prepare(model_of(tiny), tiny.inputs())
    with pytest.raises(flashvid.Error, match="frames names 7 images; the prompt has 8"):
        prepare(model_of(tiny), tiny.inputs(), frames=7)
    qwen = TINY["qwen3_vl"]
    with pytest.raises(flashvid.Error, match="frames is for models that take images"):
        prepare(model_of(qwen), qwen.inputs(), frames=8)


def test_tokens_that_a_processor_has_dropped(model_of: Any) -> None:
    tiny = TINY["video_llama_3"]
    model, inputs = model_of(tiny), tiny.inputs()
    ids = inputs["input_ids"][0]
    mask = inputs["video_compression_mask"].view(8, 16).clone()
    mask[:, 12:] = False  # as many of each frame
    place = (ids == 199).nonzero()[:, 0][~mask.flatten()]
    keep = [index for index in range(len(ids)) if index not in place.tolist()]
    thinned = inputs | {
        "input_ids": ids[None, keep], "attention_mask": inputs["attention_mask"][:, keep],
        "video_compression_mask": mask.flatten()}
    full = prepare(model, thinned, retention=1.0)
    assert full.compressed[0].assignment is not None and full.compressed[0].assignment.shape == (8, 12)
    from reference import generated

    assert all(map(lambda a, b: bool((a == b).all()), generated(model, full).logits, generated(model, thinned).logits))
    mask[0, 12] = True
    with pytest.raises(flashvid.Error, match="frames of 12 to 13 tokens are left; load it with use_token_compression=False"):
        prepare(model, thinned | {"video_compression_mask": mask.flatten()})


def test_the_llava_video_class_says_what_newlines_there_are() -> None:
    module = importlib.import_module("flashvid.transformers.llava_video")
    tiny = TINY["llava_video-frame"]
    config = module.LlavaVideoConfig(**tiny.config() | dict(newline="column"))
    with pytest.raises(ValueError, match="newline is 'column'"):
        module.LlavaVideoForConditionalGeneration(config)


def test_next_turn_refuses(model_of: Any) -> None:
    import torch
    from reference import generated

    from flashvid.transformers import next_turn

    tiny = TINY["qwen2_5_vl"]
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs())
    question = torch.tensor([tiny.question(3)])
    answer = generated(model, prepared)
    cases: list[tuple[Any, Any, str]] = [
        (model.generate(**prepared, max_new_tokens=2, return_dict_in_generate=True, use_cache=False), question, "no cache"),
        (generated(model, prepared, num_beams=2), question, "after a beam search begin anew"),
        (answer, question[0], r"input_ids have the shape \[7\]; expected \[1, tokens\]"),
        (answer, torch.tensor([[5, 199]]), "a new video"),
        (answer, torch.tensor([[5, 198]]), "a new image"),
        (generated(model, prepare(model, tiny.inputs(3))), question, "do not begin with these inputs"),
    ]
    for output, ids, match in cases:
        with pytest.raises(flashvid.Error, match=match):
            next_turn(model, prepared, output, ids)
