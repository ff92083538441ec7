"""The demo without a PBX: the same models, policy, rubric and wording on a recorded call."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from emocx_pbx.analysis.recorded import analyse_recording
from emocx_pbx.analysis.worker.models import Loader, Models
from emocx_pbx.demo import story
from emocx_pbx.demo.summary import summary
from emocx_pbx.domain import Segment
from emocx_pbx.events import build
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.lab.recordings import SHIPPED, channels_of
from emocx_pbx.lab.service import POLICY
from emocx_pbx.routing.decision import QueryFacts, decide
from emocx_pbx.routing.policy import load_policy
from emocx_pbx.settings.settings import AnalysisSettings

_CALL = "recorded"


def tell_recorded(recording: Path | None, query: str, say: story.Say) -> dict[str, Any]:
    """Decide the query, analyse and grade the recording; the same object as `run_demo`, no webhooks.

    Raises:
        InputError: the recording can't be read.
    """
    settings = AnalysisSettings(transcriber="off")
    models = Models()
    loader = Loader(settings, {}, models)
    loader.text()
    loader.speech()
    for problem in models.problems:
        say(f"  without {problem}")
    now = time.time()
    scores = models.text.read(query).scores if models.text else None
    decision = decide(
        QueryFacts(scores=scores, customer_key="demo-customer", default_queue="support"),
        load_policy(POLICY),
        decision_id="demo",
        at=now,
    )
    say(f"\nCustomer writes: {query}")
    routed = build.query_routed(decision, _CALL, "demo-customer")
    for line in story.lines(routed.type, routed.data):
        say(line)
    say("Signals in the customer's speech:")
    path, stereo = (SHIPPED, True) if recording is None else (recording, channels_of(recording) == 2)
    result = analyse_recording(
        path,
        stereo=stereo,
        settings=settings,
        classifier=models.speech,
        rubric=load_rubric(None),
        routing=scores,
    )
    ended = now + result.duration_s
    segment = Segment(_CALL, 0, "the agent", "", decision.queue, "queue", now, ended, "hangup")
    events = [
        *(build.call_reading(_CALL, reading, now, segment) for reading in result.readings),
        build.call_graded(segment, result.grade, now, "demo-customer", decision.decision_id),
    ]
    for event in events:
        for line in story.lines(event.type, event.data):
            say(line)
    pairs = [(e.type, e.data) for e in (routed, *events)]
    return summary(_CALL, decision.queue, pairs, [])
