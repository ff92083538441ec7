"""Mark-up to plain text: HTML with its entities, BBCode and Markdown. Pure.

The standard library parses the HTML. Its parser takes time in the square of the length where tags do not
close, so that only closed tags reach it; whatever else has a "<" is text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Final

#: Only of these is HTML made: "<mail>", "a < b" and "<3" are text, and so is a bare "<link>", a mask.
_TAGS: Final = frozenset((
    "a", "abbr", "address", "article", "aside", "b", "base", "basefont", "big", "blockquote",
    "body", "br", "button", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "fieldset", "figcaption", "figure", "font", "footer",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i", "iframe",
    "img", "input", "ins", "kbd", "label", "legend", "li", "link", "main", "map", "mark", "meta",
    "nav", "noscript", "object", "ol", "optgroup", "option", "p", "param", "pre", "q", "s", "samp",
    "script", "section", "select", "small", "source", "span", "strike", "strong", "style", "sub",
    "summary", "sup", "svg", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "time",
    "title", "tr", "tt", "u", "ul", "var", "video", "wbr",
))  # fmt: skip
#: What stands in them is not said by anybody.
_UNSAID: Final = frozenset({"head", "title", "script", "style", "svg", "select", "noscript", "object"})
#: They have no end, or one that is often left out.
_INLINE: Final = frozenset((
    "a", "abbr", "b", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "label",
    "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
    "var", "wbr",
))  # fmt: skip
#: What mail programs put an older message into.
_QUOTE: Final = re.compile(
    r"gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote|divRplyFwdMsg|appendonsend"
)
#: What nobody sees: a preview's text for lists of mails, a trap for robots.
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_VOID: Final = frozenset((
    "area", "base", "basefont", "br", "col", "hr", "img", "input", "link", "meta", "param",
    "source", "wbr",
))  # fmt: skip

#: Longest tag that is taken for one; mail programs write styles into them.
_LONGEST_TAG: Final = 2000
#: First with ">" in quotation marks, then without.
_TAG = re.compile(
    r"</?([A-Za-z][A-Za-z0-9]{0,15})(?![\w@.-])"
    rf"(?:(?:[^<>\"']|=\s?\"[^<\"]{{0,{_LONGEST_TAG}}}\"|=\s?'[^<']{{0,{_LONGEST_TAG}}}'){{0,{_LONGEST_TAG}}}"
    rf"|[^<>]{{0,{_LONGEST_TAG}}})>"
)
_OFFICE_TAG = re.compile(
    r"</?[a-z]{1,8}:[a-z]{1,20}(?:\s[^<>]{0,300})?/?>|<[!?][A-Za-z\[][^<>]{0,300}>", re.IGNORECASE
)
_CDATA: Final = "<![CDATA["
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_BBCODE = re.compile(
    r"\[/?(?:b|i|u|s|url|img|code|color|size|font|list|center|quote|email|spoiler|\*)(?:=[^\[\]]{0,200})?\]",
    re.IGNORECASE,
)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\((?:https?:|mailto:|/|#)[^()\s]{0,500}\)")
_FENCE = re.compile(r"^\s{0,3}```")


def plain_text(text: str) -> str:
    """What a person reads of a text with mark-up; line breaks where blocks end. Linear time."""
    # Twice: gateways encode what is encoded already.
    for _ in range(2):
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if _CDATA in text:
        text = text.replace(_CDATA, " ").replace("]]>", " ")
    text = _without_comments(text)
    text = _without_pairs(_without_pairs(text, "<script", "</script>"), "<style", "</style>")
    text = _without_html(_OFFICE_TAG.sub(" ", text))
    text = _without_pairs(text, "[quote", "[/quote]")
    text = _BBCODE.sub(" ", text)
    text = _MARKDOWN_LINK.sub(r" \1 ", text)
    return _without_fences(text)


def _without_html(text: str) -> str:
    tags = [found for found in _TAG.finditer(text) if found[1].lower() in _TAGS and found[0] != "<link>"]
    if not tags:
        return text
    parser = _Text()
    at = 0
    for found in tags:
        parser.handle_data(text[at : found.start()])
        parser.feed(found[0])
        # Whatever a tag leaves unread must not be joined with the next one.
        parser.rawdata = ""
        parser.clear_cdata_mode()
        at = found.end()
    parser.handle_data(text[at:])
    # Nothing but tags that swallow, or nothing but a quotation: better all of it than nothing.
    return parser.text(quoted=False) or parser.text(quoted=True) or _TAG.sub(" ", text)


class _Text(HTMLParser):
    """Collects what is said, and what is said outside of quoted older messages."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[tuple[bool, str]] = []
        """Whether it is quoted, and the text."""
        self._unsaid = 0
        self._quoted: list[str] = []
        """Open elements from the quotation on; empty: not in one."""
        self._hidden: list[str] = []
        """The same from an element that is not shown."""

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """A tag begins: hide what it hides, break the line if it does."""
        if tag in _UNSAID:
            self._unsaid += 1
        elif tag == "body":
            self._unsaid = 0  # a head that was never closed ends here
        quotes = tag == "blockquote" or any(
            key in {"class", "id"} and _QUOTE.search(value or "") for key, value in attrs
        )
        hides = any(
            key == "hidden" or (key == "style" and _HIDDEN.search(value or "")) for key, value in attrs
        )
        if tag not in _VOID and (self._quoted or quotes):
            self._quoted.append(tag)
        if tag not in _VOID and (self._hidden or hides):
            self._hidden.append(tag)
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag in _UNSAID:
            self._unsaid = max(0, self._unsaid - 1)
        for opened in (self._quoted, self._hidden):
            if tag in opened:
                while opened.pop() != tag:
                    pass
        self._break(tag)

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if not self._unsaid and not self._hidden:
            self._parts.append((bool(self._quoted), data))

    def _break(self, tag: str) -> None:
        self._parts.append((bool(self._quoted), "" if tag in _INLINE else "\n"))

    def text(self, *, quoted: bool) -> str:
        """All of it, or all that is not quoted."""
        return "".join(data for inside, data in self._parts if quoted or not inside).strip()


def _without_comments(text: str) -> str:
    return _without_pairs(text, "<!--", "-->")


def _without_pairs(text: str, start: str, end: str) -> str:
    """The text without what stands between start and end; an end that is missing hides nothing."""
    lower, parts, at = text.lower(), [], 0
    if len(lower) != len(text):
        return text  # letters whose small form is longer: no places to go by
    while (begin := lower.find(start, at)) >= 0 and (close := lower.find(end, begin)) >= 0:
        parts.append(text[at:begin])
        at = close + len(end)
    return " ".join([*parts, text[at:]])


def _without_fences(text: str) -> str:
    """The text without blocks of code; one that is not closed stays."""
    if "```" not in text:
        return text
    lines = text.split("\n")
    fences = [i for i, line in enumerate(lines) if _FENCE.match(line)]
    hidden: set[int] = set()
    for first, last in zip(fences[::2], fences[1::2], strict=False):
        hidden.update(range(first, last + 1))
    return (
        "\n".join(line for i, line in enumerate(lines) if i not in hidden)
        if len(hidden) < len(lines)
        else text
    )
