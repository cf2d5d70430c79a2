"""The frame of a page, in one file that needs no network, and the words that all pages use."""

import html
import math
import pathlib
import re
import shlex
import sys

from gan_jax.report import style


def document(title: str, body: str, *, css: str = "", scripts: tuple[str, ...] = ()) -> str:
    """A whole page, in ASCII: whatever encoding it is written in, it is the one it declares.

    Args:
      title: plain text.
      body: HTML.
      css: what the page adds to `style.STYLE`.
      scripts: run in one scope, in this order, once the page is there. `data-error` of the root
        then holds the last error, and `data-ready` that there was none.
    """
    script = "\n".join(['"use strict"', *scripts, 'root.dataset.ready = "true"\n'])
    page = _PAGE.format(title=html.escape(title), style=style.STYLE + css, body=body, script=script)
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def number(value: int | float, digits: int = 4) -> str:
    """So many significant digits; "nan" and "inf" are what they are."""
    text = f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.{digits}g}"
    return re.sub(r"e\+?(-?)0*", r"e\1", text)


def dotted(name: str) -> str:
    """A dotted name, escaped, to be broken where a person would."""
    return html.escape(name).replace(".", ".<wbr>")


def count(many: int, noun: str) -> str:
    """So many of them."""
    return f"{many:,} {noun}" + "s" * (many != 1)


def note(text: str) -> str:
    """A paragraph of HTML in soft ink."""
    return f'<p class="note">{text}</p>'


def command(words: str) -> str:
    """A command line, with a button that copies it."""
    # A line breaks between words alone: a browser takes the "--" of a flag for a place too.
    spans = " ".join(f"<span>{html.escape(word)}</span>" for word in words.split(" "))
    return (
        f'<div class="command"><pre><code>{spans}</code></pre>'
        '<button type="button">Copy</button></div>'
    )


def launch(*flags: str) -> str:
    """Return a command line for a shell that starts launch.py where this process has found it."""
    program = sys.argv[0] if pathlib.Path(sys.argv[0]).name == "launch.py" else "launch.py"
    return shlex.join(["python", program, *flags])


def cell(value: int | float | None, text: str) -> str:
    """A number, with what it is sorted by; nothing where it is not finite."""
    key = f"{value:.9g}" if value is not None and math.isfinite(value) else ""
    return f'<td data-sort="{key}">{text}</td>'


def head(key: str, title: str, *, first: str = "", now: bool = False) -> str:
    """The head of a column that sorts.

    Args:
      key: its name in the address.
      title: plain text; a dotted name is broken where a person would.
      first: ascending | descending, where it sorts by the rows that are done, and these first;
        empty for other columns, which sort by all rows.
      now: whether the table lies in this order.
    """
    order = f' aria-sort="{first}"' * now + f' data-first="{first}"' * bool(first)
    return (
        f'<th data-key="{html.escape(key)}"{order}>'
        f'<button type="button">{dotted(title)}</button></th>'
    )


def table(heads: str, bodies: str) -> str:
    """A table that scrolls in a box of its own."""
    return f'<div class="box rows"><table><thead><tr>{heads}</tr></thead>{bodies}</table></div>'


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
<script>addEventListener("error", e => document.documentElement.dataset.error = e.message)</script>
</head>
<body>
{body}
<div id="tip" hidden></div>
<script>{script}</script>
</body>
</html>
"""
