"""What to keep, and how to choose."""

from __future__ import annotations

import ctypes
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, TypeVar

from ._arguments import choice, real, whole
from ._errors import Error, Status, call, call_plain
from ._library import flashvid_configuration

Model = Literal["llava-onevision", "llava-video", "qwen2.5-vl", "qwen3-vl"]
Selection = Literal["attention", "diversity", "attentionDiversity", "attentionDiversityEvent"]
Aggregation = Literal["mean", "max"]
Placement = Literal["centre", "medoid"]
Semantics = Literal["definition", "published"]

MODELS = {"llava-onevision": 0, "llava-video": 1, "qwen2.5-vl": 2, "qwen3-vl": 3}
_CHOICES: dict[str, dict[str, int]] = {
    "selection": {"attention": 0, "diversity": 1, "attentionDiversity": 2, "attentionDiversityEvent": 3},
    "aggregation": {"mean": 0, "max": 1},
    "placement": {"centre": 0, "medoid": 1},
    "semantics": {"definition": 0, "published": 1},
}

Function = TypeVar("Function", bound=Callable[..., Any])


class ConfigurationFields(TypedDict, total=False):
    """The fields of `Configuration`, as keyword arguments of what takes one."""

    retention: float
    expansion: float
    rows: int | None
    preset: Model | None
    refined: bool
    alpha: float | None
    selection: Selection | None
    segmentation: bool | None
    segment_threshold: float | None
    minimum_segments: int | Literal["auto"] | None
    maximum_segment_frames: int | None
    temporal_threshold: float | None
    complementary_segments: bool | None
    aggregation: Aggregation | None
    semantics: Semantics | None
    carry: bool | None
    refinement_rounds: int | None
    placement: Placement | None


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What to keep, and how to choose.

    Every function and class that compresses takes these fields as keyword arguments, or one of these objects. Where a
    field is None it has the engine's default or, with a preset, the preset's; `refined` comes before them, and explicit
    fields last. Checked when it is made: a field out of its range is an `Error` with `Status.INVALID_CONFIGURATION`.

    Args:
        retention: Share of the tokens to keep, averaged over the language model's layers; in (0, 1]. The paper's
            retention ratio.
        expansion: Tokens that enter the language model over tokens that `retention` names, to be paid back by pruning
            inside it (`prune`); above 0. 1.25 is the paper's; 1 where nothing prunes.
        rows: Exactly so many rows come out, 1 to frames * tokens, whatever `retention` and `expansion` say; None: by
            the ratio. Not with the published semantics, and not for a stream.
        preset: The authors' configuration for a model: its selection and its minimum of segments.
            "llava-onevision", "llava-video", "qwen2.5-vl" or "qwen3-vl".
        refined: Beyond the paper: alpha 0.5, carry, one refinement round, rows at their medoid, the automatic minimum
            of segments.
        alpha: Share of the budget that selection takes, the rest goes to merged tokens; in [0, 1]. 0.7.
        selection: How the telling tokens of a frame are found (ADTS). "attention": those of largest attention;
            "diversity": max-min diversity over cosine distances; "attentionDiversity": each distance weighted by the
            candidate's attention, the authors' choice for Qwen-VL; "attentionDiversityEvent": and by its relevance to
            the segment, their choice for LLaVA and the default.
        segmentation: Whether the clip is cut into segments (DySeg). True.
        segment_threshold: A cut is made where the cosine of neighbouring frames' means is below this; at least -1. 0.9.
        minimum_segments: Fewer segments than this are cut further at their weakest transitions; at least 0. "auto" or
            0: min(8, ceil(F / 4)), the paper's 8 at its 32 frames, and fewer for shorter clips. 8.
        maximum_segment_frames: Longest segment in frames; 0: no limit, the default. A stream needs one.
        temporal_threshold: A token joins its best match in the frame before if their cosine is above this (TSTM); at
            least -1, and from 1 on nothing is merged. 0.8.
        complementary_segments: Whether those further cuts are made. True.
        aggregation: What a tree of merged tokens becomes, "mean" or "max". "mean".
        semantics: "definition", or "published": the authors' released program, defects included, to compare with
            published
            figures: indices may repeat, the number of rows is known only afterwards, there is no assignment and there
            are no counts.
        carry: Whether selection in a frame starts from the picks of the segment's earlier frames. False.
        refinement_rounds: How often every unselected token is given to the nearest row of its segment; at least 0. 0.
        placement: Whose place a merged row takes: "centre" of its cluster, or "medoid", the member nearest to the row's
            value. "centre".
    """

    retention: float = 0.25
    expansion: float = 1.25
    rows: int | None = None
    preset: Model | None = None
    refined: bool = False
    alpha: float | None = None
    selection: Selection | None = None
    segmentation: bool | None = None
    segment_threshold: float | None = None
    minimum_segments: int | Literal["auto"] | None = None
    maximum_segment_frames: int | None = None
    temporal_threshold: float | None = None
    complementary_segments: bool | None = None
    aggregation: Aggregation | None = None
    semantics: Semantics | None = None
    carry: bool | None = None
    refinement_rounds: int | None = None
    placement: Placement | None = None

    def __post_init__(self) -> None:
        call("flashvid_configuration_validate", ctypes.byref(self._struct()))

    def _struct(self) -> flashvid_configuration:
        struct = flashvid_configuration()
        size, reference = ctypes.sizeof(struct), ctypes.byref(struct)
        if self.preset is None:
            call_plain("flashvid_configuration_init", reference, size)
        else:
            call_plain("flashvid_configuration_preset", reference, size, choice("preset", self.preset, MODELS), 0.25)
        if self.refined:
            call_plain("flashvid_configuration_refine", reference)
        struct.retention_ratio = real("retention", self.retention)
        struct.expansion = real("expansion", self.expansion)
        if self.rows is not None:
            struct.target_rows = whole("rows", self.rows)
            if struct.target_rows < 1:  # 0 is the library's word for "by the ratio"
                raise Error(Status.INVALID_CONFIGURATION, f"rows is {self.rows}; expected at least 1")
        for name in ("alpha", "segment_threshold", "temporal_threshold"):
            if (value := getattr(self, name)) is not None:
                setattr(struct, name, real(name, value))
        for name in ("maximum_segment_frames", "refinement_rounds"):
            if (value := getattr(self, name)) is not None:
                setattr(struct, name, whole(name, value))
        for name in ("segmentation", "complementary_segments", "carry"):
            if (value := getattr(self, name)) is not None:
                setattr(struct, name, bool(value))
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) is not None:
                setattr(struct, name, choice(name, value, choices))
        if self.minimum_segments is not None:
            struct.minimum_segments = (
                0 if self.minimum_segments == "auto" else whole("minimum_segments", self.minimum_segments)
            )
        return struct

    def as_json(self) -> str:
        """Every field with the value that it has, in JSON: what the file tool writes into its files."""
        struct = self._struct()
        published = struct.semantics == _CHOICES["semantics"]["published"]

        def name(field: str) -> str:
            return list(_CHOICES[field])[int(getattr(struct, field))]

        fields: dict[str, Any] = {
            field: getattr(struct, field)
            for field in (
                "retention_ratio",
                "expansion",
                "alpha",
                "segment_threshold",
                "minimum_segments",
                "maximum_segment_frames",
                "temporal_threshold",
                "refinement_rounds",
                "target_rows",
            )
        }
        fields |= {field: bool(getattr(struct, field)) for field in ("segmentation", "complementary_segments", "carry")}
        fields |= {field: name(field) for field in ("selection", "aggregation", "placement")}
        # The published semantics stand there as the three switches that they turn.
        fields |= {"exact_budget": not published, "published_quirks": published}
        if published and fields["aggregation"] == "mean":
            fields["aggregation"] = "directChildren"
        return json.dumps(fields, sort_keys=True)


def takes_fields(function: Function) -> Function:
    """Shows the fields in the signature of a function that takes them, for `help` and the like."""
    own = inspect.signature(function)
    named = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    fields = inspect.signature(Configuration).parameters.values()
    function.__signature__ = own.replace(parameters=[*named, *fields])  # type: ignore[attr-defined]
    return function


def configured(configuration: Configuration | None, given: ConfigurationFields) -> Configuration:
    """A configuration with the fields that are given beside it."""
    unknown = given.keys() - ConfigurationFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"no such argument: {', '.join(sorted(unknown))}")
    if configuration is None:
        return Configuration(**given)
    return replace(configuration, **given) if given else configuration
