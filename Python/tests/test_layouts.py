"""The private mirror of the headers against the headers themselves, through the compiler."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flashvid import Status, _library
from support import ROOT

HEADERS = ROOT / "Sources" / "CFlashVID" / "include"
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

STRUCTS = {
    name: each
    for name, each in vars(_library).items()
    if isinstance(each, type) and issubclass(each, _library.Struct) and each is not _library.Struct
}


def compiled(source: str, folder: Path, *, run: bool = True) -> str:
    """What a C program prints that includes both headers."""
    path = folder / "program.c"
    path.write_text("#include <flashvid_host.h>\n#include <stdio.h>\n" + source)
    program = folder / "program"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{HEADERS}"]
    target = ["-o", str(program)] if run else ["-fsyntax-only"]
    built = subprocess.run(["cc", *flags, str(path), *target], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout if run else ""


def declared(pattern: str) -> set[str]:
    text = "".join((HEADERS / name).read_text() for name in ("flashvid.h", "flashvid_host.h"))
    return set(re.findall(pattern, text, re.MULTILINE))


def test_every_struct_is_mirrored() -> None:
    assert declared(r"^\} (flashvid_\w+);") == STRUCTS.keys()


def test_every_field_has_its_place_and_size(tmp_path: Path) -> None:
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field, *_ in struct._fields_:
            lines.append(
                f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));'
            )
    printed = compiled("int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n", tmp_path).splitlines()
    mirrored = []
    for name, struct in STRUCTS.items():
        mirrored.append(f"{name} {ctypes.sizeof(struct)}")
        for field, *_ in struct._fields_:
            place = getattr(struct, field)
            mirrored.append(f"{name}.{field} {place.offset} {place.size}")
    assert printed == mirrored


def test_every_field_is_mirrored(tmp_path: Path) -> None:
    """Initialising with one value more than there are fields is an error; with as many it is not."""
    for name, struct in STRUCTS.items():
        fields = len(struct._fields_)
        compiled(f"{name} whole = {{ {', '.join(['0'] * fields)} }};\n", tmp_path, run=False)
        with pytest.raises(AssertionError, match="excess elements"):
            compiled(f"{name} whole = {{ {', '.join(['0'] * (fields + 1))} }};\n", tmp_path, run=False)


def test_every_function_is_bound_or_left_out() -> None:
    bound = _library.FUNCTIONS.keys() | _library.QUERIES.keys()
    assert declared(r"^FLASHVID_API .*?\b(flashvid_\w+)\(") == bound | set(_library.LEFT_OUT)


def mirrored(type: Any) -> str:
    """A ctypes type as C spells it."""
    simple: dict[Any, str] = {
        ctypes.c_int32: "int32_t",
        ctypes.c_int64: "int64_t",
        ctypes.c_size_t: "size_t",
        ctypes.c_double: "double",
        ctypes.c_float: "float",
        ctypes.c_char_p: "char *",
        ctypes.c_void_p: "void *",
    }
    if type in simple:
        return simple[type]
    if type is _library.flashvid_progress:
        return "flashvid_progress"
    return str(type.__name__) if type in STRUCTS.values() else f"{mirrored(type._type_)} *"


def test_every_signature_is_the_headers() -> None:
    """The prototypes, without names and constness; what the header calls by a name of its own is an int32_t, a handle a
    void *."""
    text = "".join((HEADERS / name).read_text() for name in ("flashvid.h", "flashvid_host.h"))
    own = set(re.findall(r"^typedef int32_t (flashvid_\w+);", text, re.MULTILINE))
    handles = set(re.findall(r"^typedef struct (flashvid_\w+) \1;", text, re.MULTILINE))

    def plain(declaration: str) -> str:
        words = re.findall(r"\w+|\*", declaration.replace("const", ""))
        words = ["int32_t" if word in own else "void" if word in handles else word for word in words]
        return " ".join(words)

    prototypes = {}
    for result, name, arguments in re.findall(r"^FLASHVID_API ([^;(]*?)(flashvid_\w+)\(([^;]*)\);", text, re.MULTILINE):
        types = [] if arguments == "void" else [re.sub(r"\w+\s*$", "", each) for each in arguments.split(",")]
        prototypes[name] = [plain(result), *map(plain, types)]
    assert len(prototypes) > 50
    ours = {name: ["int32_t", *map(mirrored, arguments)] for name, arguments in _library.FUNCTIONS.items()}
    ours |= {
        name: [mirrored(result), *map(mirrored, arguments)] for name, (result, arguments) in _library.QUERIES.items()
    }
    assert ours == {name: types for name, types in prototypes.items() if name not in _library.LEFT_OUT}


def test_every_status_has_its_number(tmp_path: Path) -> None:
    text = (HEADERS / "flashvid.h").read_text()
    enumeration = text[text.index("typedef int32_t flashvid_status;") :]
    statuses = set(re.findall(r"FLASHVID_(\w+) = \d+", enumeration[: enumeration.index("};")]))
    assert statuses == {status.name for status in Status}
    lines = "\n".join(f'printf("{status.name} %d\\n", FLASHVID_{status.name});' for status in Status)
    printed = compiled(f"int main(void) {{ {lines} return 0; }}\n", tmp_path)
    assert printed.splitlines() == [f"{status.name} {status.value}" for status in Status]


def test_the_version_is_the_headers(tmp_path: Path) -> None:
    import flashvid

    printed = compiled('int main(void) { printf("%s", FLASHVID_VERSION_STRING); return 0; }\n', tmp_path)
    assert flashvid.__version__ == printed
