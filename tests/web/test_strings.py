"""Every text that pages ask for is there; templates hold no script and no style."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.web.render import TEMPLATES
from emocx_pbx.web.strings import t, texts

PACKAGE = Path(__file__).parents[2] / "emocx_pbx"
_WHOLE = re.compile(r"""\bt\(\s*f?["']([a-z_]+(?:\.[a-z_0-9:"]+)+)["']\s*[,)]""")


def sources() -> dict[str, str]:
    found = [*TEMPLATES.rglob("*.html"), *PACKAGE.rglob("*.py")]
    return {str(path.relative_to(PACKAGE)): path.read_text() for path in found}


def test_what_is_asked_for_is_there() -> None:
    missing = [
        f"{name}: {key}"
        for name, text in sources().items()
        for key in _WHOLE.findall(text)
        if key not in texts() and f"{key}.other" not in texts() and not key.endswith(".")
    ]
    assert not missing


def test_a_number_chooses_the_words() -> None:
    assert t("admin.users.sessions", n=1) == "One open session"
    assert t("admin.users.sessions", n=0) == "0 open sessions"


def test_an_unknown_text_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"nothing\.here"):
        t("nothing.here")
    assert t("nothing.here", "instead") == "instead"


def test_templates_have_no_inline_script_or_style() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text), (
            path.name
        )
        assert "|safe" not in text.replace(" ", ""), path.name
