"""Heads on measurements less a site's centre beside the plain answer, and a call on such a line."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from emocx_pbx.domain import CallerPlace, LineZero
from emocx_pbx.emotion.adaptation import Adaptation, AdaptationInputs
from emocx_pbx.emotion.caller import CallerPrior
from emocx_pbx.emotion.line_centre import LineCentre, MeanPlace
from emocx_pbx.emotion.places import mean_place
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.stacked_heads import StackedHeads
from emocx_pbx.errors import ModelError
from emocx_pbx.training.figures import softmax

#: Two directions: in the first anger lies at +2, all else at 0.
CLASSES = np.array([[2.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], np.float32)
#: One hidden unit that is open above 1 in that direction.
HEAD = (
    np.array([[4.0], [0.0]], np.float32),
    np.array([-4.0], np.float32),
    np.array([[1.0, 0.0, 0.0, 0.0]], np.float32),
    np.zeros(4, np.float32),
)
HEADS = SiteHeads(CLASSES, StackedHeads.beside([HEAD]), np.array(0.5, np.float32))
FLAT = np.log(np.full((1, 4), 0.25, np.float32))
UNKNOWN, KNOWN = np.zeros(1, np.float32), np.ones(1, np.float32)


ADAPTATION = Adaptation(cast(CallerPrior, None), None, HEADS)


def inputs(place: tuple[float, float]) -> AdaptationInputs:
    """Of one reading of an unfamiliar recording."""
    return AdaptationInputs(FLAT, np.zeros((1, 2)), np.array([place], np.float32), UNKNOWN)


def test_what_all_callers_of_a_site_share_says_nothing() -> None:
    site = (3.0, 1.0)  # calm, by the voices of the heads
    centre = HEADS.centre(np.array(site) + 0.2 / 3 * CLASSES[0], 0.8)
    assert centre == pytest.approx(site, abs=1e-5), "the expected anger of a fifteenth is no part of it"
    calm, angry = (np.array([place], np.float32) - centre for place in (site, (5.0, 1.0)))
    assert softmax(HEADS.beside_plain(FLAT, calm, UNKNOWN))[0] == pytest.approx([0.25] * 4)
    assert softmax(HEADS.beside_plain(FLAT, angry, UNKNOWN))[0, 0] > 0.5
    assert softmax(HEADS.beside_plain(FLAT, angry, KNOWN))[0] == pytest.approx([0.25] * 4), (
        "plain heads know recordings like these better"
    )


def test_heads_are_stored_and_what_does_not_fit_is_refused() -> None:
    arrays = HEADS.arrays()
    again = SiteHeads.of(arrays)
    assert again is not None
    less = np.array([[2.0, 0.3]], np.float32)
    assert again.stack.read(less) == pytest.approx(HEADS.stack.read(less))
    assert SiteHeads.of({"centred_usual": CLASSES}) is None
    for name, wrong in (("first", np.zeros((2, 1))), ("share", np.array(2.0)), ("bias", CLASSES)):
        with pytest.raises(ModelError, match="don't fit"):
            SiteHeads.of({**arrays, f"site_{name}": wrong})
    with pytest.raises(ModelError, match="lacks site_share"):
        SiteHeads.of({n: a for n, a in arrays.items() if n != "site_share"})


def test_a_line_without_a_centre_of_this_model_is_heard_as_before() -> None:
    zero = LineZero("all", "voice/7", 70, (0.0,) * 4, (3.0, 1.0), 0.8)
    assert LineCentre.of(ADAPTATION, zero) is not None
    assert LineCentre.of(ADAPTATION, None) is None
    assert LineCentre.of(ADAPTATION, replace(zero, centre=())) is None
    assert LineCentre.of(ADAPTATION, replace(zero, centre=(1.0, 2.0, 3.0))) is None
    assert LineCentre.of(replace(ADAPTATION, site=None), zero) is None
    assert LineCentre.of(None, zero) is None


def test_a_reading_is_heard_less_the_lines_centre() -> None:
    line = LineCentre.of(ADAPTATION, LineZero("all", "voice/7", 70, (0.0,) * 4, (3.0, 1.0), 0.8))
    assert line is not None
    calm, angry = (line.beside(FLAT[0], inputs(place)) for place in ((2.9, 1.0), (5.0, 1.0)))
    assert softmax(calm)[0] == pytest.approx(0.25, abs=0.01) and softmax(angry)[0] > 0.5


def test_a_caller_is_told_by_the_mean_of_the_readings() -> None:
    place = MeanPlace()
    assert place.of("voice/7") is None
    for one in ((1.0, 0.0), (2.0, 1.0)):
        place.take(np.array(one, np.float32))
    assert place.of("voice/7") == CallerPlace("voice/7", (1.5, 0.5), 2)
    assert mean_place([]) == ()
    parts = [CallerPlace("voice/7", (1.5, 0.5), 2), CallerPlace("voice/7", (0.0, 2.0), 1)]
    assert mean_place(parts) == pytest.approx((1.0, 1.0))
    assert mean_place([*parts, CallerPlace("voice/7", (1.0,), 1)]) == ()
