"""The file that comes out is whole, needs nothing else, and quotes every text."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from formats.report.report import (
    Bars,
    Card,
    Facts,
    Gallery,
    Histogram,
    ImageBlock,
    Notices,
    Section,
    Table,
    write_report,
)
from formats.report.text import inline_image, is_rgb, value_text

EVIL = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>&amp;"
IMAGE = np.full((30, 40, 3), (250, 20, 20), np.uint8)
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Elements, texts, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag, **attributes):
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]


def write(path, text="plain", color="#FF0000", cards=2):
    bars = Bars(text, [text], {text: [3], "b": [None]}, {text: color})
    table = Table(text, [text, "n"], [[text, 0.5]], {text: color}, note=text)
    histogram = Histogram(text, [1, 2, 4], {text: [3, 1]}, text, True, {2: text}, text)
    found = [(text, 0.25), (text, 0.5), ("other", None)]
    shown = (
        Card(text, IMAGE, found[: number + 1], {text: float("nan")}, text)
        for number in range(cards)
    )
    blocks = [
        Facts({text: text, "count": 1234}),
        Notices([text]),
        Section([bars, table], text),
        Section([histogram, ImageBlock(text, IMAGE)]),
        Gallery(text, shown, text, {text: color}),
    ]
    write_report(path, text, text, blocks)
    return path.read_text("utf-8")


@pytest.mark.parametrize("text", ["plain", EVIL, 'x" onload="y', "\udcff\0ß漢"])
def test_texts_stay_texts(tmp_path, text):
    plain, page = (Page(write(tmp_path / "r.html", t)) for t in ("plain", text))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    names = [sorted(attributes) for _, attributes in page.elements]
    assert names == [sorted(attributes) for _, attributes in plain.elements]
    assert not [a for _, a in page.elements if any(n.startswith("on") for n in a)]
    shown = text.replace("\udcff", "?").replace("\0", "?")
    assert page.texts.count(shown) >= 10


@pytest.mark.parametrize("color", ["red;background:url(x)", "#FF00", '#FF0000"', ""])
def test_colors_that_are_none_are_left_out(tmp_path, color):
    assert not is_rgb(color)
    page = Page(write(tmp_path / "r.html", color=color))
    assert not [a for a in page.all("i") if "background" in a.get("style", "")]
    assert classes_of(page)[0] == ["plain", ""]


def test_nothing_is_fetched(tmp_path):
    text = write(tmp_path / "r.html")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|<link", text)
    page = Page(text)
    for tag, attributes in page.elements:
        assert "href" not in attributes
        if "src" in attributes:
            assert tag == "img"
            assert attributes["src"].startswith("data:image/webp;base64,")
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy[0]["content"].startswith("default-src 'none'")


def classes_of(page):
    texts = [t for t in page.texts if t.startswith('[["')]
    return json.loads(texts[0])


def test_the_filter_has_what_it_needs(tmp_path):
    page = Page(write(tmp_path / "r.html", cards=4))
    assert classes_of(page) == [["plain", "#FF0000"], ["other", ""]]
    found = [card["data-found"] for card in page.all("article")]
    assert found[:2] == ["0:0.2500", "0:0.2500 0:0.5000"]
    assert found[2] == "0:0.2500 0:0.5000 1"
    assert len(page.all("form", class_="filter", hidden=None)) == 1


def test_images_are_shrunk_and_keep_their_colors():
    wide = np.repeat(IMAGE, 20, 1)
    source, *size = inline_image(wide, 200)
    assert size == [200, 8]
    data = base64.b64decode(source.removeprefix("data:image/webp;base64,"))
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (8, 200, 3)
    assert abs(pixels[4, 100].astype(int) - (20, 20, 250)).max() < 12
    assert inline_image(IMAGE[:1, :1], 200)[1:] == (1, 1)


def test_values_as_people_read_them():
    values = [1234567, None, float("nan"), "<a>"]
    expected = ["1,234,567", "–", "–", "<a>"]
    assert [value_text(value) for value in values] == expected
    numbers = [0.51249, 1.0, 7.746, 12.345, 321.5, 4321.5]
    expected = ["0.512", "1.000", "7.75", "12.3", "322", "4,322"]
    assert [value_text(number) for number in numbers] == expected


def test_bars_and_columns_stand_for_their_values(tmp_path):
    bars = Bars("b", ["x", "y"], {"n": [1, 4]})
    histogram = Histogram("h", [1, 2, 4], {"n": [3, 1]}, is_log=True)
    write_report(tmp_path / "r.html", "r", "", [Section([bars, histogram])])
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    styles = [a["style"] for a in page.all("i", class_="series0")]
    assert styles == [
        "width:25.000%",
        "width:100.000%",
        "height:100.000%",
        "height:33.333%",
    ]
    columns = [a["style"] for a in page.all("span", class_="column")]
    assert columns == ["left:0.000%;width:50.000%", "left:50.000%;width:50.000%"]


def test_charts_without_values(tmp_path):
    parts = [Bars("b", [], {"n": []}), Table("t", ["a"], [])]
    parts.append(Histogram("h", [1, 2], {"n": [0]}))
    blocks = [Section(parts), Notices([]), Gallery("g", [])]
    write_report(tmp_path / "r.html", "r", "", blocks)
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert len(page.all("figure")) == 3
    assert not page.all("ul", class_="notices")
    assert not page.all("article")


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "new" / "r.html"

    def failing(expected):
        yield Notices(["after"])
        assert path.exists() == expected
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_report(path, "r", "", failing(expected=False))
    assert not list(path.parent.iterdir())
    path.write_text("before")
    with pytest.raises(ZeroDivisionError):
        write_report(path, "r", "", failing(expected=True))
    assert path.read_text() == "before"
    assert [p.name for p in path.parent.iterdir()] == ["r.html"]


@pytest.mark.slow
def test_memory_does_not_grow_with_cards(tmp_path):
    code = f"""
import resource, numpy as np
from formats.report.report import Card, Gallery, write_report
image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def cards():
    for number in range(600):
        yield Card(str(number), image, [("cat", 0.5)] * 100)
        if number == 100:
            peaks.append(peak())
peaks = []
write_report({str(tmp_path / "r.html")!r}, "r", "", [Gallery("g", cards())])
print(peak() - peaks[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (tmp_path / "r.html").stat().st_size > 10e6
    assert int(done.stdout) < 4096  # KiB
