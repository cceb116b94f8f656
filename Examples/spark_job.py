"""Compresses a folder of feature files on Spark: every partition keeps one compressor.

    pip install flashvid[files] pyspark "pandas<3" pyarrow
    python spark_job.py FEATURES ROWS --partitions 16 --retention 0.10

On a cluster both folders are on storage that every node has, and --master says where it is; by itself the job runs on
two local cores, where a task whose worker died is tried again, four times at most. The job can be run again at any
time: what is done stays done.
"""

import argparse
import time

from pyspark.sql import SparkSession

from flashvid.files import SPARK_SCHEMA, compress_partition, feature_files

parser = argparse.ArgumentParser(description="Compress a folder of feature files with Spark.")
parser.add_argument("features", help="folder of safetensors files")
parser.add_argument("rows", help="folder for the results")
parser.add_argument("--master", default="local[2,4]")
parser.add_argument("--partitions", type=int, default=16)
parser.add_argument("--retention", type=float, default=0.10)
arguments = parser.parse_args()

spark = SparkSession.builder.master(arguments.master).appName("flashvid").getOrCreate()
paths = [(str(path.resolve()),) for path in feature_files(arguments.features)]
start = time.perf_counter()
told = (
    spark.createDataFrame(paths, "path string")
    .repartition(arguments.partitions)
    .mapInPandas(compress_partition(arguments.rows, retention=arguments.retention, threads=1), schema=SPARK_SCHEMA)
    .collect()
)
seconds = time.perf_counter() - start

for each in told:
    if each["error"]:
        print(f"{each['path']}: {each['error']}")
failed = sum(bool(each["error"]) for each in told)
done = [each for each in told if each["done"]]
frames, size = sum(each["frames"] for each in done), sum(each["bytes"] for each in done)
print(f"{len(done)} files done, {len(told) - len(done) - failed} there before, {failed} failed")
print(f"{seconds:.1f} s: {frames / seconds:.0f} frames/s, {size / seconds / 1e6:.0f} MB/s")
spark.stop()
raise SystemExit(1 if failed else 0)
