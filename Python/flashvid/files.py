"""Feature files: safetensors in, safetensors out, as the file tool has them. Needs `pip install flashvid[files]`.

For a folder of them on one machine a loop does; for more, `FileCompressor` is what a Ray actor keeps, and
`compress_partition` what Spark maps over a partition:

    paths = ray.data.from_items([{"path": str(path)} for path in feature_files("features")])
    paths.map_batches(
        FileCompressor, fn_constructor_args=["rows"], fn_constructor_kwargs={"threads": 1, "retention": 0.10},
        batch_size=1, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=8))

    frame.mapInPandas(compress_partition("rows", threads=1, retention=0.10), schema=SPARK_SCHEMA)

A result appears under its name when it is complete, so a worker that dies leaves nothing half written, and whoever does
its file again, at once or in the next run, does it in full. A file whose result is there, by the same configuration and
not older than the file, is not done again.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from ._compressor import Compressed, Compressor
from ._configuration import Configuration, ConfigurationFields, configured, takes_fields

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: What is told of a file, by name, with its type in Spark.
REPORT = {
    "path": "string",
    "output": "string",
    "frames": "long",
    "tokens": "long",
    "rows": "long",
    "bytes": "long",
    "seconds": "double",
    "done": "boolean",
    "error": "string",
}
SPARK_SCHEMA = ", ".join(f"{name} {type}" for name, type in REPORT.items())


def feature_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The safetensors files of a folder, by name."""
    return sorted(path for path in Path(folder).iterdir() if path.suffix == ".safetensors")


def compress_file(
    source: str | os.PathLike[str], target: str | os.PathLike[str], compressor: Compressor
) -> Compressed[Any]:
    """Compresses a feature file.

    Args:
        source: A safetensors file with `features` [F, N, D] and, if it has them, `attention` [F, N], each F32, F16 or
            BF16.
        target: The file to write, as the file tool writes it: `tokens` [K, D], `indices` [K], `segment_lengths`,
            `assignment` [F * N], `counts` [K], and the configuration in the metadata. It appears when it is complete.
        compressor: What does it.

    Raises:
        Error: As `Compressor.compress`.
        OSError, safetensors.SafetensorError: Files that cannot be read or written, or are none.
    """
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(source, "numpy") as file:
        features = file.get_tensor("features")
        attention = file.get_tensor("attention") if "attention" in file.keys() else None
    video = compressor.compress(features, attention)
    tensors: dict[str, Any] = {
        "tokens": video.tokens,
        "indices": video.indices,
        "segment_lengths": video.segment_lengths,
    }
    if video.assignment is not None and video.counts is not None:
        tensors |= {"assignment": video.assignment.ravel(), "counts": video.counts}
    target = os.fspath(target)
    partial = f"{target}.partial-{uuid.uuid4().hex[:12]}"
    try:
        save_file(tensors, partial, metadata={"configuration": compressor.configuration.as_json()})
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)
    return video


def is_done(source: str | os.PathLike[str], target: str | os.PathLike[str], configuration: Configuration) -> bool:
    """Whether a file's result is there, by this configuration and not older than the file."""
    from safetensors import SafetensorError, safe_open

    try:
        if os.stat(target).st_mtime < os.stat(source).st_mtime:
            return False
        with safe_open(target, "numpy") as file:
            metadata = file.metadata() or {}
        return bool(json.loads(metadata.get("configuration", "null")) == json.loads(configuration.as_json()))
    except (OSError, SafetensorError, ValueError):
        return False


class FileCompressor:
    """Compresses batches of feature files with one `Compressor`: what a Ray actor keeps for `map_batches`.

    Args:
        folder: Where the results go, each under its file's name; made if it is not there.
        configuration: What to keep; fields given beside it come before its own.
        threads: Threads of the compressor; None: one a core. Where every core has a worker of its own: 1.
        overwrite: Whether files are done again whose results are there.
        **given: Fields of `Configuration`.
    """

    @takes_fields
    def __init__(
        self,
        folder: str | os.PathLike[str],
        configuration: Configuration | None = None,
        *,
        threads: int | None = None,
        overwrite: bool = False,
        **given: Unpack[ConfigurationFields],
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.overwrite = overwrite
        self.compressor = Compressor(configured(configuration, given), threads=threads)

    def compress(self, path: str) -> dict[str, Any]:
        """Compresses a file and tells of it, by the names of `REPORT`.

        `seconds` are those of reading, compressing and writing; `done` is False where the result was there before, and
        where `error` says why there is none: one bad file does not end the job.
        """
        target = self.folder / Path(path).name
        told = dict(
            path=str(path), output=str(target), frames=0, tokens=0, rows=0, bytes=0, seconds=0.0, done=False, error=""
        )
        if not self.overwrite and is_done(path, target, self.compressor.configuration):
            return told
        start = time.perf_counter()
        try:
            video = compress_file(path, target, self.compressor)
        except Exception as error:
            # Of whatever kind: the file's name and the text are what the job can say.
            return told | {"error": f"{type(error).__name__}: {error}"}
        frames, tokens = video.parents.shape
        return told | dict(
            frames=frames,
            tokens=frames * tokens,
            rows=len(video),
            bytes=os.path.getsize(path),
            seconds=time.perf_counter() - start,
            done=True,
        )

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """A batch of Ray Data's: `path` goes in, the columns of `REPORT` come out."""
        told = [self.compress(str(path)) for path in batch["path"]]
        return {name: numpy.array([each[name] for each in told]) for name in REPORT}

    def close(self) -> None:
        self.compressor.close()


@takes_fields
def compress_partition(
    folder: str | os.PathLike[str],
    configuration: Configuration | None = None,
    *,
    threads: int | None = None,
    overwrite: bool = False,
    **given: Unpack[ConfigurationFields],
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What Spark's `mapInPandas` maps over a partition: frames with `path` go in, the columns of `REPORT` come out.

    Arguments as for `FileCompressor`, of which each partition has one.
    """
    settings = configured(configuration, given)

    def compress(batches: Iterator[Any]) -> Iterator[Any]:
        worker = FileCompressor(folder, settings, threads=threads, overwrite=overwrite)
        try:
            for batch in batches:
                # One row at a time: what is told of a file does not wait for the next.
                for path in batch["path"]:
                    yield type(batch)([worker.compress(path)])
        finally:
            worker.close()

    return compress
