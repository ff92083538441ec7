"""An agent on a call sees nothing that was heard, raised or graded in a colleague's earlier part."""

from __future__ import annotations

from live.live_helpers import ANGRY, HAPPY, Told


def test_who_takes_a_call_over_sees_its_own_part_alone() -> None:
    told = Told()
    told.waits()
    bobs = told.talks(agent="bob", at=110.0)
    told.says(probabilities=ANGRY, t0=2.0)
    told.board.alert("1.1", "angry", "Signals of anger", 116.0)
    told.leaves(bobs, at=150.0)
    told.talks(agent="eve", index=1, at=151.0)
    [call] = told.board.snapshot(152.0, "eve").calls
    assert (call.course, call.alerts, call.emotion, call.valence) == ((), (), None, None)
    told.says(probabilities=HAPPY, t0=45.0)
    [call] = told.board.snapshot(160.0, "eve").calls
    assert [point[0] for point in call.course] == [49.0]
    [all_of_it] = told.board.snapshot(160.0).calls
    assert [point[0] for point in all_of_it.course] == [6.0, 49.0] and len(all_of_it.alerts) == 1
