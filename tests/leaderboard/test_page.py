"""The page: nothing leaves it, nothing it shows is markup, every picture has its words."""

import re
from html.parser import HTMLParser

import pytest
from records import record

from leaderboard.page import Board, Page, Picture, render_page
from leaderboard.tables import make_table

VOID = {"meta", "link", "img", "br"}
EVIL = "<script>alert(1)</script>_&\"'"


class Elements(HTMLParser):
    """All elements with their attributes and all text; a tag that is not closed in order fails."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def picture(path: str = "panels/sgm.png", title: str = "sgm") -> Picture:
    return Picture(path, 1316, 2004, title, "Stereo matching.", "Four pictures above each other")


def page(method: str = "sgm", *, hero: Picture | None = None) -> Page:
    table = make_table([record(method, warnings=["so and so"]), record("other", abs_rel=0.2, rmse=1.0)])
    return Page(
        title="A title",
        summary="One sentence.",
        caution="Made up.",
        boards=[Board("Exact depth", "All pixels.", table)],
        scalings={"median": "by the median"},
        hero=hero,
        pictures=[picture(title=method)],
        commands=[("Score it", f"depthbench evaluate '{method}'")],
        provenance=[("seed", "0")],
    )


def test_no_request_leaves_the_page() -> None:
    html = render_page(page(hero=picture("comparison.png")))
    elements = Elements(html).elements
    links = [value for _, attrs in elements for name, value in attrs.items() if name in {"src", "href", "action", "srcset"}]
    assert sorted(map(str, set(links))) == ["comparison.png", "data:,", "panels/sgm.png"]
    assert not re.search(r"https?:|//\w|url\(|@import", html)
    assert {tag for tag, _ in elements} & {"script", "iframe", "object", "form", "base"} == set()


def test_a_hostile_name_is_text() -> None:
    parsed = Elements(render_page(page(EVIL)))
    assert "script" not in {tag for tag, _ in parsed.elements}
    assert sum(EVIL in text for text in parsed.text) == 4  # the row, the note, the picture's title, the command


def test_a_path_is_quoted_for_a_link() -> None:
    assert 'src="panels/a%20%23%3F%25.png"' in render_page(page(hero=picture("panels/a #?%.png")))


def test_every_picture_has_words_and_a_size() -> None:
    images = [attrs for tag, attrs in Elements(render_page(page(hero=picture()))).elements if tag == "img"]
    assert [(image["alt"], image["width"], image["height"]) for image in images] == 2 * [
        ("Four pictures above each other", "1316", "2004")
    ]


def test_numbers_units_arrows_and_the_best() -> None:
    html = render_page(page())
    assert '<th scope="col">RMSE ↓<small>m</small></th>' in html
    assert '<th scope="col">δ&lt;1.25 ↑</th>' in html
    assert '<tr><th scope="row">sgm</th><td class="best">0.100</td><td>5.000</td>' in html
    assert '<tr><th scope="row">other</th><td>0.200</td><td class="best">1.000</td>' in html
    assert "<b>scaling median</b>: by the median" in html
    assert "<li>sgm: so and so</li>" in html


@pytest.mark.parametrize(
    "wanted", ["<!doctype html>", "prefers-color-scheme: dark", "width=device-width", "<dt>seed</dt><dd>0</dd>"]
)
def test_the_frame_of_the_page(wanted: str) -> None:
    html = render_page(page())
    assert html.startswith("<!doctype html>")
    assert wanted in html
