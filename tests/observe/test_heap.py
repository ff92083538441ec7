"""What lives for ever is not looked through for garbage again."""

from __future__ import annotations

import gc

from emocx_pbx.observe.heap import keep_for_good


def test_what_there_is_by_now_is_exempt_from_garbage_collection() -> None:
    made = [object(), {}]
    before = gc.get_freeze_count()
    try:
        keep_for_good()
        assert gc.get_freeze_count() > before
        assert not any(made is one for one in gc.get_objects())
    finally:
        gc.unfreeze()
