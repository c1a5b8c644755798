"""One HTML file that opens offline: sections of text, tables, charts, pictures and players; light, dark, any width."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup

LIMIT = 15_000_000  # bytes that a page should stay below
WITHOUT_PLOTLY = "The charts that can be turned are missing: they need plotly (pip install plotly, then the report again)."
LONG = 12  # rows of two cells from which on a table is set in two columns


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it: HTML, as the functions of this module make it."""

    title: str
    blocks: Sequence[Markup]


def render(title: str, subtitle: str, sections: Sequence[Section], foot: str) -> bytes:
    """The page as UTF-8. Everything it needs is inside: styles, scripts, and plotly.js where a chart is."""
    import jinja2

    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(_asset("page.html"))
    charts = any(Markup('class="chart"') in block for section in sections for block in section.blocks)
    plotly = _plotly() if charts else None
    if charts and plotly is None:
        sections = [*sections[:1], Section("Charts", [text(WITHOUT_PLOTLY, quiet=True)]), *sections[1:]]
    return template.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        foot=foot,
        style=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
        plotly=None if plotly is None else Markup(plotly),
    ).encode()


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _plotly() -> str | None:
    """plotly.js; None where plotly is not installed: the page then says so in place of its charts."""
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError:
        return None
    return str(get_plotlyjs())


# ---- What stands in a section --------------------------------------------------------------------------
def text(*paragraphs: str, quiet: bool = False) -> Markup:
    return Markup("").join(Markup('<p class="{}">{}</p>').format("note" if quiet else "", p) for p in paragraphs)


def code(content: str) -> Markup:
    return Markup('<pre tabindex="0">{}</pre>').format(content)


def folded(summary: str, block: Markup) -> Markup:
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, block)


def table(rows: Sequence[Sequence[Any]], head: Sequence[str] = ()) -> Markup:
    """Rows of cells; the first cell of each is its heading. Numbers are shortened and stand on the right."""
    if len(rows) > LONG and not head and len(rows[0]) == 2:
        half = (len(rows) + 1) // 2
        return Markup('<div class="columns">{}{}</div>').format(_table(rows[:half], head), _table(rows[half:], head))
    return _table(rows, head)


def definitions(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and what they mean."""
    items = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, meaning) for name, meaning in pairs)
    return Markup("<dl>{}</dl>").format(items)


def _table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> Markup:
    top = Markup("")
    if head:
        top = Markup("<thead><tr>{}</tr></thead>").format(Markup("").join(Markup("<th>{}</th>").format(h) for h in head))
    body = Markup("").join(
        Markup("<tr><th>{}</th>{}</tr>").format(row[0], Markup("").join(_cell(v) for v in row[1:])) for row in rows
    )
    return Markup('<div class="wide"><table>{}<tbody>{}</tbody></table></div>').format(top, body)


class Digits(str):
    """A number that is already written as it is to be shown."""


def beside(*blocks: Markup) -> Markup:
    """Two blocks side by side, where there is room; the first one as wide as it needs."""
    return Markup('<div class="beside">{}</div>').format(
        Markup("").join(Markup("<div>{}</div>").format(block) for block in blocks)
    )


def _cell(value: Any) -> Markup:
    number = isinstance(value, (int, float, Digits)) and not isinstance(value, bool)
    return Markup('<td class="{}">{}</td>').format("number" if number else "", show(value))


def show(value: Any) -> str:
    """A value as people read it: 1,234, .00123 as 0.00123, yes and no."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def image(data: bytes, alt: str, caption: str = "") -> Markup:
    return figure(picture(data, alt), caption=caption)


def picture(data: bytes, alt: str) -> Markup:
    return Markup('<img src="{}" alt="{}">').format(data_uri(data), alt)


def figure(*blocks: Markup, caption: str = "") -> Markup:
    return Markup("<figure>{}{}</figure>").format(Markup("").join(blocks), _caption(caption))


def colour_bar(stops: Sequence[tuple[float, str]], low: float, high: float, title: str) -> Markup:
    """What the colours of a picture mean. ``stops``: places from 0 (``low``) to 1 (``high``), and their colours."""
    inside = sorted({p for (p, _), (q, _) in pairwise(stops) if p == q and 0 < p < 1} | {0.0, 1.0})
    ticks = [(p, show(low + p * (high - low))) for p in inside]
    # in pieces of one colour: a gradient goes by its id, and a page that shows one twice, once for paper alone, loses it
    strip = Markup("").join(
        Markup('<rect x="{:.2f}" width="{:.2f}" height="14" fill="{}"/>').format(300 * p, 300 * (q - p), colour)
        for p, q, colour in _pieces(stops)
    )
    anchor = {0.0: "start", 1.0: "end"}
    words = Markup("").join(
        Markup('<text x="{:.1f}" y="30" text-anchor="{}">{}</text>').format(300 * p, anchor.get(p, "middle"), t)
        for p, t in ticks
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 300 50" role="img" aria-label="{}"><g shape-rendering="crispEdges">{}</g>{}'
        '<text x="150" y="46" text-anchor="middle">{}</text></svg>'
    ).format(title, strip, words, title)


def rgb(colour: str) -> tuple[int, int, int]:
    """Of "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _pieces(stops: Sequence[tuple[float, str]]) -> Iterator[tuple[float, float, str]]:
    """A colour bar cut so finely that no step is seen: begin and end of each piece, and its colour."""
    for (p, first), (q, last) in pairwise(stops):
        ends = np.linspace(p, q, 1 + math.ceil(60 * (q - p)))
        one, other = np.array(rgb(first)), np.array(rgb(last))
        for begin, end in pairwise(ends.tolist()):
            share = ((begin + end) / 2 - p) / (q - p)
            yield begin, end, "#{:02x}{:02x}{:02x}".format(*np.round(one + share * (other - one)).astype(int).tolist())


def verdict(word: str, passed: bool, line: str) -> Markup:
    """A verdict in large letters, and a line on it."""
    return Markup('<p class="verdict {}"><strong>{}</strong> <span>{}</span></p>').format(
        "passed" if passed else "failed", word, line
    )


def gallery(items: Sequence[Markup], large: bool = False) -> Markup:
    return Markup('<div class="gallery{}">{}</div>').format(" large" if large else "", Markup("").join(items))


def slider(before: bytes, after: bytes, names: tuple[str, str]) -> Markup:
    """Two pictures of one size over each other, with a handle to drag between them."""
    return Markup(
        '<figure class="slider"><div><img src="{}" alt="{}"><img src="{}" alt="{}" class="after">'
        '<input type="range" min="0" max="100" step="0.1" value="50" aria-label="{} left, {} right"></div>'
        "<figcaption><span>{}</span><span>{}</span></figcaption></figure>"
    ).format(data_uri(before), names[0], data_uri(after), names[1], *names, *names)


def player(data: bytes, caption: str) -> Markup:
    """A sound or a video with its controls."""
    uri = data_uri(data)
    tag = "audio" if uri.startswith("data:audio") else "video"
    more = "" if tag == "audio" else Markup(" loop muted playsinline")
    return Markup("<figure><{} controls src='{}'{}></{}>{}</figure>").format(tag, uri, more, tag, _caption(caption))


def chart(
    traces: Sequence[dict[str, Any]],
    layout: dict[str, Any],
    views: Sequence[tuple[str, Sequence[int]]] = (),
    height: int = 380,
    together: str = "",
    still: Markup | None = None,
) -> Markup:
    """A plotly figure. ``views`` are buttons: a name, and which traces it shows. Charts with the same ``together`` share
    their camera and their buttons. ``still`` stands in for it on paper."""
    spec = {"data": list(traces), "layout": layout, "views": [{"name": n, "show": list(s)} for n, s in views]}
    content = json.dumps(spec, allow_nan=False).replace("</", "<\\/")
    kind = Markup((" data-square" if "scene" in layout else "") + (" data-still" if still is not None else ""))
    return Markup(
        '{}<div class="chart" style="height:{}px" data-together="{}"{}><script type="application/json">{}</script></div>'
    ).format(printed(still) if still is not None else "", height, together, kind, Markup(content))


def printed(block: Markup) -> Markup:
    """What is there on paper alone."""
    return Markup('<div class="printed">{}</div>').format(block)


def _caption(caption: str) -> Markup:
    return Markup("<figcaption>{}</figcaption>").format(caption) if caption else Markup("")


# first bytes of a file -> its MIME type
KINDS = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "audio/wav"),
    (b"fLaC", "audio/flac"),
)


def data_uri(data: bytes) -> str:
    kind = next((kind for start, kind in KINDS if data.startswith(start)), "video/mp4")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
