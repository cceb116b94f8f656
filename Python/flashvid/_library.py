"""The C headers as ctypes sees them: structs, signatures, and the library that is found.

Nothing else in this package knows a layout or a signature; `tests/test_layouts.py` compiles the headers and compares.
Classes and functions have the names that they have in C, where their documentation is (flashvid.h, flashvid_host.h).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

# ------------------------------------------------------------------------------------------------------- structs


class Struct(ctypes.Structure):
    """A struct that begins with its size."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(self), **fields)


class flashvid_configuration(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("retention_ratio", c_double),
        ("expansion", c_double),
        ("alpha", c_double),
        ("selection", c_int32),
        ("segmentation", c_int32),
        ("segment_threshold", c_double),
        ("minimum_segments", c_int64),
        ("maximum_segment_frames", c_int64),
        ("temporal_threshold", c_double),
        ("complementary_segments", c_int32),
        ("aggregation", c_int32),
        ("semantics", c_int32),
        ("carry", c_int32),
        ("refinement_rounds", c_int64),
        ("placement", c_int32),
        ("reserved", c_int32),
        ("target_rows", c_int64),
    ]


class flashvid_clip(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("features", c_void_p),
        ("frames", c_int64),
        ("tokens_per_frame", c_int64),
        ("channels", c_int64),
        ("type", c_int32),
        ("attention_type", c_int32),
        ("frame_stride", c_int64),
        ("token_stride", c_int64),
        ("attention", c_void_p),
        ("attention_frame_stride", c_int64),
        ("attention_token_stride", c_int64),
    ]


class flashvid_output(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("tokens", c_void_p),
        ("token_type", c_int32),
        ("index_type", c_int32),
        ("row_stride", c_int64),
        ("row_capacity", c_int64),
        ("indices", c_void_p),
        ("row_count", c_int64),
        ("segment_count", c_int64),
        ("assignment", c_void_p),
        ("counts", c_void_p),
        ("kinds", c_void_p),
        ("segment_lengths", c_void_p),
        ("parents", c_void_p),
        ("first_frame", c_int64),
        ("first_row", c_int64),
    ]


class flashvid_statistics(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("seconds", c_double),
        ("segmentation_seconds", c_double),
        ("selection_seconds", c_double),
        ("trees_seconds", c_double),
        ("contextual_seconds", c_double),
        ("refinement_seconds", c_double),
        ("close_calls", c_int64),
        ("threads", c_int64),
    ]


class flashvid_encoder_attention(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("queries", c_void_p),
        ("keys", c_void_p),
        ("query_type", c_int32),
        ("key_type", c_int32),
        ("frames", c_int64),
        ("heads", c_int64),
        ("tokens", c_int64),
        ("width", c_int64),
        ("query_frame_stride", c_int64),
        ("query_head_stride", c_int64),
        ("query_token_stride", c_int64),
        ("key_frame_stride", c_int64),
        ("key_head_stride", c_int64),
        ("key_token_stride", c_int64),
        ("scale", c_double),
        ("skipped_tokens", c_int64),
        ("single_query", c_int32),
        ("reserved", c_int32),
        ("query", c_int64),
    ]


class flashvid_decoder_attention(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("query", c_void_p),
        ("keys", c_void_p),
        ("query_type", c_int32),
        ("key_type", c_int32),
        ("heads", c_int64),
        ("key_heads", c_int64),
        ("key_count", c_int64),
        ("width", c_int64),
        ("query_head_stride", c_int64),
        ("key_head_stride", c_int64),
        ("key_token_stride", c_int64),
        ("scale", c_double),
        ("places", c_void_p),
        ("place_count", c_int64),
        ("index_type", c_int32),
        ("reserved", c_int32),
    ]


class flashvid_patch_grid(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("rows", c_int64),
        ("columns", c_int64),
        ("merge_size", c_int64),
        ("window_pixels", c_int64),
        ("patch_pixels", c_int64),
    ]


class flashvid_prompt(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("length", c_int64),
        ("frames", c_int64),
        ("tokens_per_frame", c_int64),
        ("video_start", c_int64),
        ("newlines", c_int32),
        ("video_token", c_int32),
        ("newline_columns", c_int64),
        ("frame_starts", c_void_p),
        ("tokens", c_void_p),
    ]


class flashvid_kept_prompt(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("positions", c_void_p),
        ("rows", c_void_p),
        ("renumbered", c_void_p),
        ("visual_places", c_void_p),
        ("capacity", c_int64),
        ("first_position", c_int64),
        ("count", c_int64),
    ]


class flashvid_context_budget(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("positions", c_int64),
        ("tokens_per_frame", c_int64),
        ("overhead_per_frame", c_int64),
        ("other_positions", c_int64),
    ]


class flashvid_host_model(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("model", c_int32),
        ("reserved", c_int32),
        ("layers", c_int64),
        ("width", c_int64),
        ("feed_forward_width", c_int64),
        ("heads", c_int64),
        ("key_value_heads", c_int64),
        ("head_width", c_int64),
        ("context_length", c_int64),
        ("pruning_layer", c_int64),
        ("kept_ratio", c_double),
        ("frames", c_int64),
        ("tokens_per_frame", c_int64),
        ("overhead_per_frame", c_int64),
        ("overhead_per_video", c_int64),
    ]


class flashvid_plan_row(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("tokens_per_frame", c_int64),
        ("visual_tokens", c_int64),
        ("average_visual_tokens", c_double),
        ("prompt_length", c_int64),
        ("prefill_work", c_double),
        ("work_share", c_double),
        ("frames_in_context", c_int64),
        ("frames_at_same_work", c_int64),
    ]


# ---------------------------------------------------------------------------------------------------- signatures

_message = [c_char_p, c_size_t]
_integer = POINTER(c_int64)
_number = POINTER(c_double)
_configuration = POINTER(flashvid_configuration)
_clip = POINTER(flashvid_clip)
_output = POINTER(flashvid_output)
_statistics = POINTER(flashvid_statistics)
_grid = POINTER(flashvid_patch_grid)
_prompt = POINTER(flashvid_prompt)
_context = POINTER(flashvid_context_budget)
_host = POINTER(flashvid_host_model)
_floats = POINTER(c_float)
_handle = c_void_p
_new_handle = POINTER(c_void_p)

#: Is told of the progress of a call, on the thread that made it.
flashvid_progress = CFUNCTYPE(c_int32, c_double, c_void_p)

#: What returns a status.
FUNCTIONS: dict[str, list[Any]] = {
    "flashvid_struct_field": [c_char_p, c_int64, POINTER(c_char_p), POINTER(c_size_t), POINTER(c_size_t)],
    "flashvid_configuration_init": [_configuration, c_size_t],
    "flashvid_configuration_preset": [_configuration, c_size_t, c_int32, c_double],
    "flashvid_configuration_refine": [_configuration],
    "flashvid_configuration_validate": [_configuration, *_message],
    "flashvid_output_token_count": [_configuration, c_int64, c_int64, _integer, *_message],
    "flashvid_compressor_create": [_configuration, c_int32, _new_handle, *_message],
    "flashvid_compressor_compress": [_handle, _clip, _output],
    "flashvid_compressor_compress_batch": [_handle, POINTER(_clip), POINTER(_output), c_int64, POINTER(c_int32)],
    "flashvid_compressor_configuration": [_handle, _configuration, c_size_t],
    "flashvid_compressor_output_token_count": [_handle, c_int64, c_int64, _integer, *_message],
    "flashvid_compressor_workspace_bytes": [_handle, c_int64, c_int64, c_int64, c_int32, _integer, *_message],
    "flashvid_compressor_statistics": [_handle, _statistics],
    "flashvid_stream_create": [_configuration, c_int64, c_int64, c_int32, c_int32, _new_handle, *_message],
    "flashvid_stream_push": [_handle, _clip, c_int64, _integer],
    "flashvid_stream_finish": [_handle],
    "flashvid_stream_segment_frames": [_handle, _integer],
    "flashvid_stream_next": [_handle, _output],
    "flashvid_stream_reset": [_handle],
    "flashvid_stream_configuration": [_handle, _configuration, c_size_t],
    "flashvid_stream_output_token_count": [_handle, c_int64, _integer, *_message],
    "flashvid_stream_workspace_bytes": [_handle, _integer, *_message],
    "flashvid_stream_statistics": [_handle, _statistics],
    "flashvid_pruned_count": [c_int64, c_double, _integer, *_message],
    "flashvid_prune": [c_void_p, c_int32, c_int64, c_int64, c_double, c_void_p, c_int32, c_int64, _integer, *_message],
    "flashvid_scorer_create": [c_int32, _new_handle, *_message],
    "flashvid_scorer_scores": [_handle, POINTER(flashvid_encoder_attention), _floats, c_int64],
    "flashvid_scorer_last_query": [_handle, POINTER(flashvid_decoder_attention), _floats, c_int64],
    "flashvid_scorer_workspace_bytes": [
        _handle,
        POINTER(flashvid_encoder_attention),
        POINTER(flashvid_decoder_attention),
        _integer,
        *_message,
    ],
    "flashvid_pooled_tokens": [c_int32, c_int64, _integer, *_message],
    "flashvid_pool_typed": [_clip, c_int32, c_void_p, c_int32, c_void_p, c_int32, c_int64, c_int32, *_message],
    "flashvid_patch_grid_preset": [_grid, c_size_t, c_int32, c_int64, c_int64],
    "flashvid_patch_grid_reading_order": [_grid, c_void_p, c_int32, c_int64, _integer, *_message],
    "flashvid_patch_grid_encoder_order": [_grid, c_void_p, c_int32, c_int64, _integer, *_message],
    "flashvid_patch_grid_attention": [_grid, c_void_p, c_int32, c_int64, _floats, c_int64, *_message],
    "flashvid_group_attention": [
        c_void_p,
        c_int32,
        c_int64,
        c_int64,
        c_int64,
        c_void_p,
        c_int32,
        c_int64,
        _floats,
        c_int64,
        *_message,
    ],
    "flashvid_prompt_preset": [_prompt, c_size_t, c_int32],
    "flashvid_prompt_count": [_prompt, c_int64, _integer, *_message],
    "flashvid_prompt_keep": [_prompt, c_void_p, c_int32, c_int64, POINTER(flashvid_kept_prompt), *_message],
    "flashvid_prompt_prune": [c_void_p, c_int64, c_void_p, c_int64, c_int32, c_void_p, c_int64, _integer, *_message],
    "flashvid_video_rows": [
        c_void_p,
        c_int32,
        c_int64,
        c_int64,
        c_int64,
        c_int32,
        c_void_p,
        c_int64,
        _integer,
        *_message,
    ],
    "flashvid_plan_expansion": [c_int64, c_int64, c_double, c_double, _number, *_message],
    "flashvid_plan_average": [c_int64, c_int64, c_double, c_double, _number, *_message],
    "flashvid_plan_frames": [_context, _configuration, _integer, *_message],
    "flashvid_plan_retention": [_context, _configuration, c_int64, _number, *_message],
    "flashvid_host_model_preset": [_host, c_size_t, c_int32],
    "flashvid_plan_prefill": [_host, c_int64, c_int64, _number, *_message],
    "flashvid_plan_video": [_host, c_double, c_int64, POINTER(flashvid_plan_row), *_message],
    "flashvid_plan_break_even": [_host, c_double, c_double, c_double, c_int64, _integer, *_message],
}

# What every kind of handle has.
for _kind in ("compressor", "stream", "scorer"):
    FUNCTIONS |= {
        f"flashvid_{_kind}_destroy": [_handle],
        f"flashvid_{_kind}_close": [_handle],
        f"flashvid_{_kind}_cancel": [_handle],
        f"flashvid_{_kind}_set_time_limit": [_handle, c_double],
        f"flashvid_{_kind}_set_progress": [_handle, flashvid_progress, c_void_p],
    }

#: What returns something else.
QUERIES: dict[str, tuple[Any, list[Any]]] = {
    "flashvid_version": (c_int32, []),
    "flashvid_version_string": (c_char_p, []),
    "flashvid_status_name": (c_char_p, [c_int32]),
    "flashvid_compressor_threads": (c_int32, [_handle]),
    "flashvid_compressor_error": (c_size_t, [_handle, *_message]),
    "flashvid_stream_threads": (c_int32, [_handle]),
    "flashvid_stream_error": (c_size_t, [_handle, *_message]),
    "flashvid_scorer_threads": (c_int32, [_handle]),
    "flashvid_scorer_error": (c_size_t, [_handle, *_message]),
}

#: What a NumPy user has already (`values[:, indices]`, `values[:, indices[:, None], indices]`, `numpy.where`), and what
#: has a more general form.
LEFT_OUT = [
    "flashvid_gather",
    "flashvid_gather_strided",
    "flashvid_gather_pairs",
    "flashvid_prompt_embeddings",
    "flashvid_pool",
]

# ------------------------------------------------------------------------------------------------------- library


def _find() -> Path:
    named = os.environ.get("FLASHVID_LIBRARY")
    if named:
        return Path(named)
    return Path(__file__).parent / "native" / "libflashvid.so"


def _load(path: Path) -> ctypes.CDLL:
    try:
        # Local: nothing of the library's is seen by others. A call releases the GIL.
        library = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        raise ImportError(
            f"flashvid cannot load its library: {error}. It is part of the wheel; elsewhere the environment variable "
            "FLASHVID_LIBRARY names it."
        ) from error
    signatures = {name: (c_int32, arguments) for name, arguments in FUNCTIONS.items()}
    for name, (result, arguments) in (signatures | QUERIES).items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{path} has no {name}: it is older than this package") from None
        function.restype = result
        function.argtypes = arguments
    return library


def _check(library: ctypes.CDLL) -> None:
    """The mirrored structs against those of the library that is there."""
    offset, size, name = c_size_t(), c_size_t(), c_char_p()
    places = (ctypes.byref(name), ctypes.byref(offset), ctypes.byref(size))
    for struct in Struct.__subclasses__():
        for index, (field, *_) in enumerate(struct._fields_):
            status = library.flashvid_struct_field(struct.__name__.encode(), index, *places)
            mirrored = getattr(struct, field)
            found = (status, name.value, offset.value, size.value)
            if found != (0, field.encode(), mirrored.offset, mirrored.size):
                raise ImportError(
                    f"{path} is not this package's library: {struct.__name__}.{field} is not where it was"
                )


#: Where the library is.
path = _find()
library = _load(path)
_check(library)


def function(name: str) -> Callable[..., Any]:
    """One of the library's functions; ctypes gives no better type."""
    return getattr(library, name)  # type: ignore[no-any-return]


version: str = library.flashvid_version_string().decode()
