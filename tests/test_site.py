"""The documentation: a site without a dead link or a load from elsewhere, whose guides name what exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_layering import HEIGHTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ENDINGS = (".py", ".md", ".toml", ".sql", ".json", ".conf", ".yaml", ".js", ".css", ".sh")
GUIDES = [DOCS / "architecture.md", ROOT / "CONTRIBUTING.md", *sorted((DOCS / "decisions").glob("*.md"))]


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        str(config),
        "-d",
        str(site),
    ]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not (site / page).is_file()} == set()
    home = (site / "index.html").read_text(encoding="utf-8")
    assert {page for page in pages if f'href="{page}"' not in home} == set(), "not in the navigation"


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(
        r'<(?:script|img|iframe)[^>]*\ssrc="(https?:)?//|<link rel="stylesheet" href="(https?:)?//'
    )
    assert [
        page.name for page in site.rglob("*.html") if loads.search(page.read_text(encoding="utf-8"))
    ] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    with (tmp_path / "docs" / "alerts.md").open("a", encoding="utf-8") as page:
        page.write(
            "\n[gone](no-such-page.md) and [away](../no-such-file.py) and [moved](web.md#no-such-place)\n"
        )
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: docs\nhooks: [{ROOT / 'scripts/site.py'}]\n"
    )
    done = build(config, tmp_path / "site")
    assert done.returncode != 0
    for dead in ("no-such-page.md", "no-such-file.py", "no-such-place"):
        assert dead in done.stderr


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_every_path_that_a_guide_names_exists(page: Path) -> None:
    named = re.findall(r"`([\w.*-]+(?:/[\w.*-]+)*/?)`", page.read_text(encoding="utf-8"))
    paths = [name for name in named if "/" in name or name.endswith(ENDINGS)]
    assert len(paths) > 100 or page.name != "architecture.md"
    # A folder's row of the map names files within it.
    below = [
        ROOT,
        ROOT / "emocx_pbx",
        *(p.parent for p in (ROOT / "emocx_pbx").glob("*/__init__.py")),
        ROOT / "tests",
    ]
    outputs = ("build/", ".venv/")
    missing = [
        name for name in paths
        if not name.startswith(outputs) and not any(any(base.glob(name.rstrip("/"))) for base in below)
    ]  # fmt: skip
    assert missing == []


def test_the_map_has_the_folders_in_the_order_of_their_imports() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = page.split("## The map")[1].split("\n## ")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    rows = [
        {name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", cell)}
        for cell in first_cells
    ]
    assert rows == [set(names) for names in reversed(HEIGHTS)]


def test_the_architecture_page_names_a_file_for_twenty_changes() -> None:
    table = (
        (DOCS / "architecture.md").read_text(encoding="utf-8").split("## Changes, and where each belongs")[1]
    )
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 20
    assert all("`" in row.split("|")[2] for row in rows)
