"""Compresses a folder of feature files on a Ray cluster: every worker keeps one compressor.

    pip install flashvid[files] "ray[data]"
    python ray_job.py FEATURES ROWS --workers 2 --retention 0.10

On a cluster both folders are on storage that every node has, and RAY_ADDRESS says where it is. What Ray does: it hands
out the files, gives those of a worker that died to another, and starts a new one. The job can be run again at any time:
what is done stays done.
"""

import argparse
import time

import ray

from flashvid.files import FileCompressor, feature_files

parser = argparse.ArgumentParser(description="Compress a folder of feature files with Ray.")
parser.add_argument("features", help="folder of safetensors files")
parser.add_argument("rows", help="folder for the results")
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--retention", type=float, default=0.10)
arguments = parser.parse_args()

ray.init(log_to_driver=False)
paths = [{"path": str(path.resolve())} for path in feature_files(arguments.features)]
start = time.perf_counter()
told = (
    ray.data.from_items(paths, override_num_blocks=len(paths) or 1)
    .map_batches(
        FileCompressor,
        fn_constructor_args=[arguments.rows],
        fn_constructor_kwargs={"retention": arguments.retention, "threads": 1},
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
    )
    .take_all()
)
seconds = time.perf_counter() - start

for each in told:
    if each["error"]:
        print(f"{each['path']}: {each['error']}")
failed = sum(bool(each["error"]) for each in told)
done = [each for each in told if each["done"]]
frames, size = sum(each["frames"] for each in done), sum(each["bytes"] for each in done)
print(f"{len(done)} files done, {len(told) - len(done) - failed} there before, {failed} failed")
print(
    f"{seconds:.1f} s: {frames / seconds:.0f} frames/s, {size / seconds / 1e6:.0f} MB/s"
    f" with {arguments.workers} workers"
)
raise SystemExit(1 if failed else 0)
