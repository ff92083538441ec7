"""An agent on a call sees nothing that was heard, raised or graded in a colleague's earlier part."""

from __future__ import annotations

from live.live_helpers import ANGRY, HAPPY, Observed


def test_an_agent_who_takes_a_call_over_sees_only_their_own_part() -> None:
    observed = Observed()
    observed.waits()
    bobs = observed.talks(agent="bob", at=110.0)
    observed.says(probabilities=ANGRY, t0=2.0)
    observed.board.alert("1.1", "angry", "Signals of anger", 116.0)
    observed.leaves(bobs, at=150.0)
    observed.talks(agent="eve", index=1, at=151.0)
    [call] = observed.board.snapshot(152.0, "eve").calls
    assert (call.points, call.alerts, call.emotion, call.valence) == ((), (), None, None)
    observed.says(probabilities=HAPPY, t0=45.0)
    [call] = observed.board.snapshot(160.0, "eve").calls
    assert [point[0] for point in call.points] == [49.0]
    [all_of_it] = observed.board.snapshot(160.0).calls
    assert [point[0] for point in all_of_it.points] == [6.0, 49.0] and len(all_of_it.alerts) == 1
