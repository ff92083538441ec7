"""Which PBX a dialplan's request and a call are of, also while one of several is not ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.service.pbxes import Pbxes


def pbxes(*names: str) -> Pbxes:
    """Those of the settings, all ours; a PBX is asked in its own name."""
    found = Pbxes(Policies(None, names), names)
    for name in names:
        found.add(cast(Any, SimpleNamespace(name=name, asking=name, queues=None, drop=lambda: None)))
    return found


def asked(pbxes: Pbxes, name: str) -> object:
    """Who a request of that name is from."""
    return pbxes.asking(name)


@pytest.mark.parametrize("name", ["", "berlin"])
def test_the_only_pbx_need_not_say_its_name(name: str) -> None:
    only = pbxes(name)
    assert asked(only, "") == name and asked(only, name) == name
    assert asked(only, "paris") is None


def test_one_that_is_left_is_not_taken_for_those_that_are_gone() -> None:
    several = pbxes("", "berlin")
    assert (asked(several, ""), asked(several, "berlin")) == ("", "berlin")
    several.drop("")
    assert asked(several, "") is None and asked(several, "berlin") == "berlin"
    assert several.of("1.1") is None and several.of("berlin/1.1") is not None


def test_of_several_with_names_one_that_says_none_is_refused() -> None:
    assert asked(pbxes("berlin", "vienna"), "") is None
