"""What must come out, in float64: the project's golden cases and real clips, through the Python package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors import safe_open

import flashvid
from support import FIXTURES

CASES = sorted((FIXTURES / "golden").rglob("*.safetensors"))
REAL = [
    (path, name)
    for path in sorted((FIXTURES / "real").glob("*.safetensors"))
    for name in safe_open(path, "numpy").metadata()
]


def load(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    with safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def fields(text: str) -> dict[str, Any]:
    """The package's fields of a configuration in JSON."""
    given = json.loads(text)
    known = dict(given)
    published = known.pop("published_quirks", False)
    known.pop("exact_budget", None)
    fields = {name: known.pop(name) for name in flashvid.Configuration.__dataclass_fields__ if name in known}
    fields["retention"] = known.pop("retention_ratio")
    if rows := known.pop("target_rows", 0):
        fields["rows"] = rows
    if published:
        fields["semantics"] = "published"
        fields.pop("aggregation", None)
    assert not known, f"unknown fields: {known}"
    return fields


def test_there_are_cases() -> None:
    assert len(CASES) >= 48 and len(REAL) >= 20


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_case(path: Path) -> None:
    case, metadata = load(path)
    configuration = fields(metadata["configuration"])
    result = flashvid.compress(case["features"], case.get("attention"), dtype="float32", **configuration)
    assert result.indices.tolist() == case["expected_indices"].tolist()
    numpy.testing.assert_allclose(result.tokens, case["expected_tokens"], rtol=2e-5, atol=2e-5)
    assert result.segment_lengths.tolist() == case["expected_segment_lengths"].tolist()
    if "expected_assignment" in case:
        assert result.assignment is not None and result.counts is not None
        assert result.assignment.ravel().tolist() == case["expected_assignment"].tolist()
        assert result.counts.tolist() == case["expected_counts"].tolist()
    else:
        assert result.assignment is None and result.counts is None


@pytest.mark.parametrize("path, name", REAL, ids=lambda each: getattr(each, "stem", each))
def test_real_clip(path: Path, name: str) -> None:
    expected, metadata = load(path)
    clip, _ = load(FIXTURES / "clips" / path.name)
    attention = None if "noattention" in name else clip["attention"]
    result = flashvid.compress(clip["features"], attention, **fields(metadata[name]), dtype="float32")
    assert result.indices.tolist() == expected[f"indices-{name}"].tolist()
    if f"tokens-{name}" in expected:
        numpy.testing.assert_allclose(result.tokens, expected[f"tokens-{name}"].astype("float32"), rtol=1e-3, atol=1e-2)
