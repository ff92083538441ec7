"""Hooks of mkdocs: the repository's own pages become part of the site, and pages nobody listed are found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Pages that people look for at the top of a repository, by their names on the site.
OWN = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]+)\]\((?P<to>[^)#\s]+)(?P<at>#[^)\s]*)?\)")
_PICTURE = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's own pages, and every page to the navigation."""
    for name, page in OWN.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("(docs/", "(")
        # A picture that only a script from elsewhere would draw; the architecture page has it as text.
        files.append(File.generated(config, page, content=_PICTURE.sub("", text)))
    listed = set(_pages(config.nav))
    for file in sorted(files.documentation_pages(), key=lambda file: file.src_uri):
        if file.src_uri not in listed:
            _section(config.nav, file.src_uri).append(file.src_uri)
    return files


def _pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav or []
    return [page for entry in entries for page in _pages(entry)]


def _section(nav: Any, page: str) -> list[Any]:
    """Where a page that nobody listed goes: with the decisions, or at the users' end."""
    users, developers = (next(iter(section.values())) for section in nav)
    if not page.startswith("decisions/"):
        found: list[Any] = users
    else:
        found = next(entry["Decisions"] for entry in developers if "Decisions" in entry)
    return found


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to pages at the top of the repository become links on the site; other files stay names.

    A link to a file that exists nowhere is left alone, so that the strict build refuses it.
    """
    above = page.file.src_uri.count("/")
    base = ROOT if page.file.src_uri in OWN.values() else (Path(config.docs_dir) / page.file.src_uri).parent

    def on_site(match: re.Match[str]) -> str:
        to, at = match["to"], match["at"] or ""
        if "://" in to or to.startswith("mailto:"):
            return match[0]
        target = (base / to).resolve()
        if target.is_relative_to(ROOT) and (name := str(target.relative_to(ROOT))) in OWN:
            return f"[{match['text']}]({'../' * above}{OWN[name]}{at})"
        inside = target.is_relative_to(config.docs_dir)
        return match["text"] if target.exists() and not inside else match[0]

    return _LINK.sub(on_site, markdown)
