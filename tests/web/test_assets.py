"""Static files: those of others are what they say they are, and browsers may keep each for a year."""

from __future__ import annotations

import hashlib
import re

from web.web_site import Site

from emocx_pbx.web.assets import FOLDER, KEEP, asset, digests

VENDOR = FOLDER / "vendor"
#: Two selectors cannot share one block across a media query.
DARK = (':root[data-theme="dark"]', ":root:not([data-theme])")


def test_vendored_files_are_those_that_were_published() -> None:
    listed = dict(line.split("  ")[::-1] for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    kept = {p.name: p for p in VENDOR.iterdir() if p.name not in {"SHA256SUMS", "README.md"}}
    assert listed == {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in kept.items()}
    named = (VENDOR / "README.md").read_text()
    assert all(name in named for name in kept)


def test_styles_and_scripts_load_nothing_from_elsewhere() -> None:
    elsewhere = re.compile(r"url\((?!['\"]?(?:data:|#))|@import|https?://(?!www\.w3\.org/)")
    for path in FOLDER.glob("*.*"):
        assert not elsewhere.search(path.read_text()), path.name


async def test_a_file_is_kept_under_its_digest_alone(site: Site) -> None:
    browser = site.browser()
    async with await browser.get(asset("app.css")) as response:
        assert response.headers["Cache-Control"] == KEEP
        assert response.headers["Content-Type"] == "text/css; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with await browser.get("/static/app.css?v=old") as response:
        assert response.headers["Cache-Control"] == "no-cache"


async def test_nothing_else_is_served(site: Site) -> None:
    browser = site.browser()
    for name in ("vendor/README.md", "../render.py", "..%2frender.py", "vendor/", "/etc/passwd"):
        async with await browser.get(f"/static/{name}") as response:
            assert response.status == 404, name
    assert all("SHA256SUMS" not in name for name in digests())


def test_the_systems_dark_colours_are_those_one_can_choose() -> None:
    css = (FOLDER / "app.css").read_text(encoding="utf-8")
    blocks = [css.partition(head + " {")[2].partition("}")[0] for head in DARK]
    chosen, system = ([line.strip() for line in block.splitlines() if line.strip()] for block in blocks)
    assert chosen == system and len(chosen) > 20
