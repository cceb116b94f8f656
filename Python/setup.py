"""What pyproject.toml cannot say: the version is the C header's, and one wheel serves every Python of its platform."""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.dist import Distribution

here = Path(__file__).parent


def version() -> str:
    headers = [here / "flashvid/native/flashvid.h", here.parent / "Sources/CFlashVID/include/flashvid.h"]
    header = next(path for path in headers if path.exists()).read_text()
    found = re.search(r'#define FLASHVID_VERSION_STRING "(.*)"', header)
    assert found is not None
    return found[1]


class Platform(Distribution):
    """A package with a library inside, though none that knows Python."""

    def has_ext_modules(self) -> bool:
        return True


class AnyPython(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(version=version(), distclass=Platform, cmdclass={"bdist_wheel": AnyPython})
