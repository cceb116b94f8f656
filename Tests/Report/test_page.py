"""The page of `flashvid-compress --report` in headless Chromium: that it draws, lights up trees, obeys the keys, asks
nothing of any network, and that a hostile clip is only text in it. With SCREENSHOTS in the environment it leaves
pictures there."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import CLIPS, TOOL
from safetensors.numpy import load_file, save_file

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium. Debian: apt-get install chromium")

SCRIPT = "document.title='taken'"
HOSTILE = f'</script/><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}">\'"&\u202e\u2028{{{{data}}}}'


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        # The sandbox wants rights that containers have not; the page is our own.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class View:
    """A page in a window, with all it complains of and asks for."""

    def __init__(
        self, browser: playwright.Browser, path: Path, size: tuple[int, int] = (1280, 1000), scheme: str = "light"
    ) -> None:
        self.complaints: list[str] = []
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.page = context.new_page()
        self.page.on("console", lambda message: self.hear(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self.note)
        self.page.goto(path.as_uri())
        self.settle()

    def hear(self, text: str) -> None:
        # Said of `ink`, below.
        if "willReadFrequently" not in text:
            self.complaints.append(text)

    def note(self, request: playwright.Request) -> None:
        if not request.url.startswith("data:") and not request.is_navigation_request():
            self.complaints.append(f"asks for {request.url}")

    def settle(self) -> None:
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 120)))")

    def said(self) -> str:
        return self.page.inner_text("#token")

    def numbers(self) -> dict[str, str]:
        names, values = (self.page.locator(f"#numbers {tag}").all_inner_texts() for tag in ("dt", "dd"))
        return dict(zip(names, values, strict=True))

    def ink(self) -> int:
        """Pixels of a lit tree's yellow that are drawn."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll("#film .row canvas:last-child")].reduce((sum, canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let count = 0;
                for (let at = 0; at < data.length; at += 4)
                    if (data[at] > 225 && data[at + 1] > 215 && data[at + 2] < 90 && data[at + 3] > 250) count += 1;
                return sum + count;
            }, 0)"""
        )

    def shoot(self, name: str, whole: bool = False) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)


def report(clip: Path, page: Path, *arguments: str | Path) -> dict:
    done = subprocess.run(
        [TOOL, clip, "--report", page, "--json", *arguments], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def png(colour: tuple[int, int, int], width: int = 40, height: int = 30) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + bytes(colour) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def bikes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    path = tmp_path_factory.mktemp("page") / "bikes.html"
    clip = CLIPS / "bikes.safetensors"
    return path, report(clip, path, "--evaluate", "--preset", "llava-onevision", "--retention", "0.10")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 1000), (390, 844)], ids=["wide", "narrow"])
def test_draws(browser: playwright.Browser, bikes: tuple[Path, dict], size: tuple[int, int], scheme: str) -> None:
    path, told = bikes
    view = View(browser, path, size, scheme)
    name = f"{size[0]}-{scheme}"
    numbers = view.numbers()
    assert numbers["tokens out"] == f"{told['tokens_out']:,}" and numbers["trees"] == f"{told['trees']:,}"
    assert numbers["largest tree"] == f"{told['largest_tree']} tokens"
    assert numbers["longest tree"] == f"{told['deepest_tree']} frames"
    assert view.page.locator("#charts svg").count() == 3
    assert view.ink() == 0
    assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"
    view.shoot(name, whole=True)

    # A tree is lit up from the numbers, and stays lit.
    view.page.locator("#numbers button").first.click()
    view.settle()
    assert f"a tree of {told['largest_tree']} tokens" in view.said() and "Stays lit" in view.said()
    assert view.ink() > 100
    view.shoot(f"{name}-lit")

    # The slider shows at once what stays.
    view.page.evaluate("scrollTo(0, 0)")
    view.page.fill("#retention", "9")
    view.settle()
    assert view.page.inner_text("#percent") == "50 %"
    assert int(view.numbers()["tokens out"].replace(",", "")) > 3 * told["tokens_out"]
    view.shoot(f"{name}-half")
    assert view.complaints == []


def test_mouse(browser: playwright.Browser, bikes: tuple[Path, dict]) -> None:
    view = View(browser, bikes[0])
    box = view.page.locator("#film").bounding_box()
    assert box
    view.page.mouse.move(box["x"] + 60, box["y"] + 100)
    view.settle()
    assert view.said().startswith("Frame 0, column ") and "Stays" not in view.said() and view.ink() > 0
    view.page.mouse.down()
    view.page.mouse.up()
    view.page.mouse.move(box["x"] + 5, box["y"] - 30)
    view.settle()
    assert "Stays lit" in view.said() and view.ink() > 0
    view.page.keyboard.press("Escape")
    view.settle()
    assert view.ink() == 0 and view.complaints == []


def test_keys(browser: playwright.Browser, bikes: tuple[Path, dict]) -> None:
    view = View(browser, bikes[0])
    for _ in range(40):
        view.page.keyboard.press("Tab")
        if view.page.evaluate("document.activeElement.id") == "film":
            break
    assert view.page.evaluate("document.activeElement.id") == "film"
    view.settle()
    assert view.said().startswith("Frame 0, column 0, row 0")

    def press(*keys: str) -> str:
        for key in keys:
            view.page.keyboard.press(key)
        view.settle()
        return view.said()

    assert press("ArrowRight", "ArrowDown", "ArrowDown").startswith("Frame 0, column 1, row 2")
    assert press("ArrowUp", "ArrowLeft", "ArrowLeft").startswith("Frame 0, column 0, row 1")
    assert press("End", "PageUp").startswith("Frame 30, column 0, row 1")
    assert press("ArrowRight", *["ArrowRight"] * 13).startswith("Frame 31, column 0, row 1")
    # From a merged token to its root, and to the tree's last leaf.
    said = press("PageUp")
    while "merged" not in said:
        said = press("ArrowRight")
    assert "contextual; a tree of" in press("r")
    leaf = press("l")
    assert leaf.startswith("Frame 30") and "merged" in leaf
    before = view.page.inner_text("#percent")
    press("+", "+")
    assert before == "10 %" and view.page.inner_text("#percent") == "20 %"
    assert "Stays lit" in press("Enter") and "Point at" in press("Escape")
    assert view.complaints == []


def test_hostile(browser: playwright.Browser, tmp_path: Path) -> None:
    source = load_file(CLIPS / "bikes.safetensors")
    clip = tmp_path / HOSTILE.replace("/", "\u2215")
    tensors = {name: np.ascontiguousarray(values[:4]) for name, values in source.items()}
    save_file(tensors, clip, {HOSTILE: HOSTILE, "grid": "14x14<b>", "__proto__": HOSTILE})
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(4):
        (pictures / f"{number}{HOSTILE.replace('/', '')}.png").write_bytes(png((60 * number, 90, 160)))
    (pictures / "script.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (pictures / ".hidden.png").write_bytes(png((0, 0, 0)))
    page = tmp_path / "page.html"
    report(clip, page, "--frames", pictures, "--evaluate")

    view = View(browser, page)
    assert view.complaints == []
    assert view.page.title() == f"What was kept of {clip.name}".replace("\u2028", " ") or clip.name in view.page.title()
    assert (
        view.page.inner_text("#name") and view.page.evaluate("document.getElementById('name').textContent") == clip.name
    )
    assert view.page.locator("img").count() == 0 and view.page.locator("script").count() == 2
    view.page.click("summary >> nth=1")
    assert HOSTILE in view.page.evaluate("document.getElementById('metadata').textContent")


def test_many_frames(browser: playwright.Browser, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((640, 196, 32), dtype=np.float32).cumsum(axis=0)
    clip, page = tmp_path / "long.safetensors", tmp_path / "long.html"
    save_file({"features": features}, clip)
    report(clip, page)
    view = View(browser, page)
    ready = view.page.evaluate(
        "(([entry]) => entry.loadEventEnd - entry.startTime)(performance.getEntriesByType('navigation'))"
    )
    print(f"640 frames: {page.stat().st_size / 1e6:.1f} MB, loaded in {ready / 1e3:.2f} s")
    assert ready < 10_000
    # Only what is near the window is drawn, wherever that is.
    assert 0 < view.page.locator("#film .row").count() < 40
    view.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    view.settle()
    box = view.page.locator("#film").bounding_box()
    assert box
    view.page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 60)
    view.settle()
    assert view.said().startswith("Frame 6") and view.complaints == []
    assert 0 < view.page.locator("#film .row").count() < 40


@pytest.mark.parametrize("kind", ["letterbox", "slides", "still", "one frame", "one token"])
def test_hard_clips(browser: playwright.Browser, tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(1)
    frames, rows, columns = 16, 12, 16
    features = random.standard_normal((frames, rows, columns, 24), dtype=np.float32)
    if kind == "letterbox":
        features[:, [0, 1, 10, 11]] = 0
    elif kind == "slides":
        features = features[np.arange(frames) // 5] * 1.0
    elif kind == "still":
        features[:] = features[0]
    elif kind == "one frame":
        features = features[:1]
    else:
        features = features[:, :1, :1]
    clip, page = tmp_path / "clip.safetensors", tmp_path / "clip.html"
    tokens = features.shape[1] * features.shape[2]
    tensors = {"features": np.ascontiguousarray(features.reshape(len(features), tokens, 24))}
    save_file(tensors, clip, {"grid": f"{features.shape[2]}x{features.shape[1]}"})
    told = report(clip, page, "--evaluate", "--retention", "0.10")
    view = View(browser, page)
    view.shoot(f"hard-{kind.replace(' ', '-')}", whole=True)
    for step in range(10):
        view.page.fill("#retention", str(step))
    view.settle()
    assert view.complaints == []
    for point in told["evaluation"]["points"]:
        for measure in ("coverage", "energy"):
            for value in point[measure].values():
                assert -1 <= value <= 1
    if kind == "still":
        assert told["evaluation"]["merged_anywhere"]["similarity"] == pytest.approx(1, abs=1e-6)
