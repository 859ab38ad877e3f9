"""Documents: whatever runs are named, Markdown stays Markdown and HTML stays HTML; nothing reaches out of the file."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from compare.lab import Lab, environment
from gitruns.compare import comparison_of, diff_runs
from gitruns.compare.directions import Directions
from gitruns.compare.render.comparison_outline import comparison_outline, comparison_rows
from gitruns.compare.render.diff_outline import diff_outline
from gitruns.compare.render.elements import el
from gitruns.compare.render.html import outline_html, patch
from gitruns.compare.render.markdown import code, details, fence, outline_markdown, plain, table
from gitruns.compare.render.outline import TEXT, Cell
from gitruns.compare.render.records import diff_rows
from gitruns.compare.render.review_html import review_html
from gitruns.compare.render.review_markdown import review_markdown
from gitruns.compare.render.tables import csv_text
from gitruns.compare.review import Request, build_review
from gitruns.entities.dataset import DatasetInput

HOSTILE = (
    "</details><script>alert(1)</script>",
    "`` ` ``` @ada #12 | x | **b** <img src=x onerror=alert(1)>",
    "![x](http://evil.example/x.png) [l](javascript:alert(1))",
    "\033[31m\u202ered\r\nnext | line",
    "</svg></style><style>*{display:none}</style>&lt;b&gt; $x^{2$",
    "-->\n# heading\n<!--",
    "`",
    "\\` \\| |",
)
VOID = {"meta", "br", "hr", "path", "use"}


class Tree(HTMLParser):
    """Reads HTML and notes what no document of ours may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes scripts, handlers and addresses."""
        self.tags.add(tag)
        self.faults += [tag] if tag in ("script", "img", "iframe", "object", "link", "a", "base", "form") else []
        for key, value in attrs:
            reaches_out = key in ("href", "src", "action", "xlink:href") and not (value or "").startswith("#")
            if key.startswith("on") or reaches_out:
                self.faults.append(f"{tag} {key}={value}")
            if key == "style" and "url(" in (value or "") and "url(#" not in (value or ""):
                self.faults.append(f"{tag} style={value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Closes what is open."""
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        """Keeps the text."""
        self.text += data


def checked(html: str) -> Tree:
    """Returns the document read, after it was found harmless."""
    tree = Tree()
    tree.feed(html)
    assert tree.faults == []
    assert tree.open == []
    assert "http://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", html).replace("http://evil.example", "")
    return tree


@pytest.fixture
def hostile(lab: Lab) -> Lab:
    """Runs whose every name comes from an enemy."""
    for place, word in enumerate(("base", "head")):
        if place:
            lab.git("switch", "--quiet", "-c", "feature")
        name = "evil`|<b>.py"
        (lab.folder / name).write_text("".join(f"{word} {text}\n" for text in HOSTILE))
        (lab.folder / "gitruns.yaml").write_text("review:\n  '</b><script>|`': at most 9\n")
        lab.commit(f"</code><script>|` @ada {HOSTILE[2]} {word}")
        for seed in range(2):
            lab.run(
                {
                    "</b><script>|`": [2.0, 1 + seed / 10 + place],
                    "$\\frac{": [3.0, 2.0 + seed],
                    HOSTILE[1]: 2.0 * place,
                },
                name=HOSTILE[seed] + word,
                seed=seed,
                env=environment(**{HOSTILE[0]: f"{HOSTILE[1]}{place}"}),
                inputs=[DatasetInput(name=HOSTILE[2], digest=f"{HOSTILE[5]}{place}", source="x")],
                artifacts={"evil`|.txt": "".join(f"{text}{place}\n" for text in HOSTILE).encode()},
                tags={HOSTILE[3].strip(): HOSTILE[4] + word},
                **{text[:200]: text + word for text in HOSTILE},
            )
    return lab


def rendered(markdown: str) -> Tree:
    """Returns Markdown as a host renders it: tables, raw HTML let through."""
    tree = Tree()
    tree.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    allowed = {"h2", "h3", "h4", "p", "ul", "li", "strong", "code", "pre", "details", "summary", "blockquote", "em"}
    assert tree.tags <= allowed | {"table", "thead", "tbody", "tr", "th", "td"}, tree.tags
    assert tree.faults == [] and tree.open == []
    return tree


def test_a_hostile_review_is_harmless(hostile: Lab) -> None:
    found = build_review(hostile.repo, Request(span="main...feature"))
    html = review_html(found)
    tree = checked(html)
    assert "Content-Security-Policy" in html and "default-src &#x27;none&#x27;" in html
    assert "</b><script>|`" in tree.text, "it is shown as it is called"
    assert html.count("<svg") == html.count("</svg>") == 2
    page = rendered(review_markdown(found))
    assert "</b><script>|`" in page.text
    assert "\033" not in html + review_markdown(found) and "\u202e" not in html


def test_a_hostile_difference_is_harmless(hostile: Lab) -> None:
    runs = hostile.repo.list_runs()
    outline = diff_outline(diff_runs(hostile.repo, runs[-1].info.id, runs[0].info.id, patch=True))
    checked(outline_html(outline))
    assert "evil`|" in rendered(outline_markdown(outline)).text


def test_a_hostile_comparison_is_harmless(hostile: Lab) -> None:
    for runs in (hostile.repo.list_runs()[:2], hostile.repo.list_runs()):
        outline = comparison_outline(comparison_of(runs, Directions()), width=3)
        checked(outline_html(outline))
        rendered(outline_markdown(outline))


@given(st.text())
def test_a_code_span_holds_any_text_in_one_cell(text: str) -> None:
    shown = code(text)
    tree = Tree()
    tree.feed(MarkdownIt("commonmark").enable("table").render(f"| a | b |\n|---|---|\n| {shown} | end |\n"))
    assert tree.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert tree.text.split() and tree.text.split()[-1] == "end"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_fence_holds_any_text(text: str) -> None:
    tree = Tree()
    tree.feed(MarkdownIt("commonmark").render(f"{fence(text)}\nend\n"))
    assert tree.tags == {"pre", "code", "p"}


@given(st.text())
def test_a_sentence_is_no_markup(text: str) -> None:
    tree = Tree()
    tree.feed(MarkdownIt("commonmark").enable("table").render(f"so {plain(text)}"))
    assert tree.tags <= {"p"} and tree.faults == []


def test_a_sentence_mentions_nobody() -> None:
    shown = plain("branch @ada/fix of #12 at https://evil.example and www.evil.example")
    assert not re.search(r"@\w|#\w|://|www\.", shown)


@given(st.text(), st.text())
def test_an_element_holds_any_text(text: str, value: str) -> None:
    tree = Tree()
    tree.feed(el("p", text, title=value))
    assert tree.tags == {"p"} and tree.open == [] and tree.faults == []


@given(st.lists(st.text()))
def test_csv_is_read_back_and_runs_nothing(texts: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(csv_text([[*texts, "end"]]), newline="")))
    assert len(rows) == 1 and len(rows[0]) == len(texts) + 1
    for cell in rows[0]:
        if cell.startswith(("=", "+", "-", "@")):
            float(cell.rstrip("%"))


def test_a_patch_tells_its_head_from_its_lines() -> None:
    text = "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n--- gone\n+++ came\n same\n"
    assert patch(text) == (
        '<div class="patch" tabindex="0" role="region" aria-label="difference"><span class="file">x</span>'
        '<span class="hunk">@@ -1,2 +1 @@</span><span class="removed">--- gone</span>'
        '<span class="added">+++ came</span><span> same</span></div>'
    )


def test_a_block_that_folds() -> None:
    assert details("a <b>", "text\n") == "<details>\n<summary>a &lt;b&gt;</summary>\n\ntext\n\n</details>\n"
    assert table(("a",), []) == ""
    assert table(("a|b",), [(Cell("x|y", TEXT),)]) == "| a\\|b |\n| :--- |\n| `x\\|y` |\n"


def test_rows_for_a_spreadsheet(hostile: Lab) -> None:
    runs = hostile.repo.list_runs()
    for rows in (
        diff_rows(diff_runs(hostile.repo, runs[0].info.id, runs[-1].info.id)),
        comparison_rows(comparison_of(runs, Directions())),
    ):
        read = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
        assert len({len(row) for row in read}) == 1 and len(read) == len(rows)
