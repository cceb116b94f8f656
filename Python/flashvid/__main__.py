"""The file tool: `python -m flashvid` and `flashvid-compress`."""

from __future__ import annotations

import os
import sys

from ._library import path


def tool() -> str:
    """The program that lies beside the library, or where `scripts/install` puts it."""
    for candidate in (path.parent / "flashvid-compress", path.parent.parent / "bin" / "flashvid-compress"):
        if candidate.is_file():
            return str(candidate)
    raise SystemExit(f"flashvid: there is no flashvid-compress with the library at {path}")


def main() -> None:
    """Becomes the tool."""
    program = tool()
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
