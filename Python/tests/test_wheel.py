"""The wheel: what is in it, and that no other OpenBLAS is met."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flashvid import _library

PACKAGE = _library.path.parent.parent
pytestmark = pytest.mark.skipif(
    PACKAGE.name != "flashvid" or not list(PACKAGE.parent.glob("flashvid.libs")),
    reason="this is not the wheel's library",
)

#: Compresses, and prints a digest of the result and the BLAS libraries of the process.
PROGRAM = """
import hashlib, re, sys
{before}
import numpy, flashvid
x = numpy.random.default_rng(0).standard_normal((16, 100, 64), dtype=numpy.float32).cumsum(axis=0)
{between}
video = flashvid.compress(x, retention=0.3, refined=True)
assert (video.parents >= 0).any()
print(hashlib.sha256(video.tokens.tobytes() + video.indices.tobytes()).hexdigest())
print(*sorted(set(re.findall(r"/\\S*blas\\S*", open("/proc/self/maps").read()))))
"""


def run(before: str = "", between: str = "", prefix: tuple[str, ...] = (), **environment: str) -> tuple[str, list[str]]:
    ended = subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM.format(before=before, between=between)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert ended.returncode == 0, ended.stderr
    digest, libraries = ended.stdout.splitlines()
    return digest, libraries.split()


def is_ours(library: str) -> bool:
    return "/flashvid.libs/libflashvid_openblas-" in library


def test_the_openblas_that_is_loaded_is_the_wheels() -> None:
    _, libraries = run()
    assert len([each for each in libraries if is_ours(each)]) == 1
    # Beside it there is NumPy's own, and nothing of the system's.
    assert all(is_ours(each) or "/numpy.libs/" in each for each in libraries), libraries


def systems_blas() -> list[Path]:
    patterns = [f"lib*{name}*.so*" for name in ("openblas", "blas", "lapack")]
    folders = [Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib")]
    found = [path for folder in folders for pattern in patterns for path in folder.rglob(pattern)]
    return sorted({path.resolve() for path in found if path.is_file() and "python" not in str(path)})


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0,
    reason="this needs a mount namespace, and so root",
)
def test_a_system_without_openblas() -> None:
    """Every BLAS and LAPACK of the system's is hidden from the process by an empty file."""
    hidden = systems_blas()
    hide = "".join(f"mount --bind /dev/null '{path}' && " for path in hidden)
    prefix = ("unshare", "--mount", "sh", "-c", f'{hide} exec "$@"', "sh")
    digest, libraries = run(prefix=prefix)
    assert digest == run()[0]
    assert any(map(is_ours, libraries)) and not set(libraries) & set(map(str, hidden))
    if hidden:  # They are hidden: who asks for one gets none.
        with pytest.raises(AssertionError, match="file too short|invalid ELF header|cannot open|cannot read"):
            run(f"import ctypes; ctypes.CDLL('{hidden[0]}')", prefix=prefix)


@pytest.fixture(scope="module")
def other_blas(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A library with the names of OpenBLAS, and of scipy's, that ends the process when it is called."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("blas")
    names = [
        "cblas_sdot",
        "cblas_sgemm",
        "cblas_sgemv",
        "cblas_ssyrk",
        "openblas_get_num_threads",
        "openblas_set_num_threads",
        "sgemm_",
        "ssyrk_",
        "gotoblas_init",
        "blas_memory_alloc",
    ]
    source = "".join(
        f"void {prefix}{name}(void) {{ abort(); }}\n" for name in names for prefix in ("", "scipy_", "openblas_")
    )
    (folder / "other.c").write_text("#include <stdlib.h>\n" + source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libother.so", folder / "other.c"], check=True)
    (folder / "user.c").write_text("void cblas_sgemm(void);\nint user(void) { cblas_sgemm(); return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libuser.so", folder / "user.c"], check=True)
    return folder


def test_another_openblas_of_the_process_is_not_called(other_blas: Path) -> None:
    load = f"import ctypes; ctypes.CDLL('{other_blas}/libother.so', mode=ctypes.RTLD_GLOBAL)"
    digest, _ = run()
    assert run(before=load)[0] == digest
    assert run(LD_PRELOAD=f"{other_blas}/libother.so")[0] == digest
    # It would be called by a library that asks for cblas_sgemm.
    with pytest.raises(AssertionError):
        run(before=f"{load}; ctypes.CDLL('{other_blas}/libuser.so').user()")


def test_numpys_openblas_may_be_global() -> None:
    numpys = next((each for each in run()[1] if "/numpy.libs/" in each), None)
    if numpys is None:
        pytest.skip("NumPy has none of its own here")
    load = f"import ctypes; ctypes.CDLL('{numpys}', mode=ctypes.RTLD_GLOBAL)"
    assert run(before=load)[0] == run()[0]


def test_numpys_threads_are_left_alone() -> None:
    """The engine sets its own OpenBLAS to one thread while it runs, and nobody else's."""
    symbols = subprocess.run(["nm", "-D", str(_library.path)], capture_output=True, text=True, check=True).stdout
    wanted = {line.split()[-1] for line in symbols.splitlines() if "blas" in line}
    assert wanted and all(name.startswith("flashvid_") for name in wanted), wanted
    given = {line.split()[-1].split("@")[0] for line in symbols.splitlines() if " T " in line}
    assert given and all(name.startswith("flashvid_") for name in given), given


def test_what_is_in_it() -> None:
    distribution = importlib.metadata.distribution("flashvid")
    files = {str(path) for path in distribution.files or []}
    assert "flashvid/py.typed" in files
    licences = [path for path in files if "licenses/" in path]
    texts = "".join(Path(str(distribution.locate_file(path))).read_text() for path in licences)
    for part in ("MIT License", "The OpenBLAS Project", "GCC RUNTIME LIBRARY EXCEPTION"):
        assert part in texts, part
    wheel = distribution.read_text("WHEEL") or ""
    assert "Root-Is-Purelib: false" in wheel
    tags = [line.removeprefix("Tag: ") for line in wheel.splitlines() if line.startswith("Tag: ")]
    assert tags == [f"py3-none-manylinux_2_34_{os.uname().machine}"]
    assert distribution.version == _library.version
    assert not [path for path in files if "tests" in path or path.endswith(".swift")]


def test_what_the_library_needs() -> None:
    for name in ("libflashvid.so", "flashvid-compress"):
        needed = subprocess.run(
            ["readelf", "-d", str(_library.path.parent / name)], capture_output=True, text=True, check=True
        )
        libraries = {line.split("[")[1].rstrip("]") for line in needed.stdout.splitlines() if "(NEEDED)" in line}
        usual = {
            "libc.so.6",
            "libm.so.6",
            "libgcc_s.so.1",
            "libstdc++.so.6",
            "libpthread.so.0",
            "ld-linux-x86-64.so.2",
            "ld-linux-aarch64.so.1",
            "libdl.so.2",
        }
        assert [each for each in libraries - usual if not each.startswith("libflashvid_openblas-")] == []
