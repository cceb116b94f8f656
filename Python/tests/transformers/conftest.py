from __future__ import annotations

from typing import Any, Callable

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch  # noqa: E402
from tiny import TINY, Tiny  # noqa: E402

torch.set_num_threads(1)  # so small that a second one would only wait


@pytest.fixture(scope="session")
def model_of() -> Callable[..., Any]:
    """Models, each made once."""
    made: dict[Any, Any] = {}

    def make(tiny: Tiny, **given: Any) -> Any:
        key = (tiny.name, *given.items())
        if key not in made:
            made[key] = tiny.model(**given)
        return made[key]

    return make


def pytest_generate_tests(metafunc: Any) -> None:
    """`tiny` stands for every family that this version of transformers has."""
    if "tiny" in metafunc.fixturenames and "tiny" not in str(list(metafunc.definition.iter_markers("parametrize"))):
        metafunc.parametrize("tiny", [each for each in TINY.values() if each.available], ids=lambda tiny: tiny.name)
