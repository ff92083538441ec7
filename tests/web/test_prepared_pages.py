"""What the web process does before anybody asks for a page."""

from __future__ import annotations

import gc

from emocx_pbx.web.render import environment, prepare_pages


async def test_templates_are_compiled_and_what_lives_for_ever_is_not_looked_through_again() -> None:
    environment.cache_clear()
    before = gc.get_freeze_count()
    try:
        await prepare_pages()
        made = environment()
        assert made.cache is not None
        assert {name for _, name in made.cache} >= set(made.list_templates())
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
