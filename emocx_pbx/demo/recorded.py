"""The demo's journey without a PBX: the same models, policy, rubric and words on a recorded call."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from emocx_pbx.analysis.models import Loader, Models
from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.demo import recordings, story
from emocx_pbx.demo.service import POLICY
from emocx_pbx.demo.summary import summary
from emocx_pbx.domain import Reading, Segment, Span
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.grading.segments import facts_of
from emocx_pbx.routing.decision import QueryFacts, decide
from emocx_pbx.routing.policy import load_policy
from emocx_pbx.settings import AnalysisSettings
from emocx_pbx.webhooks import build

_CALL = "recorded"


def tell_recorded(recording: Path | None, query: str, say: story.Say) -> dict[str, Any]:
    """Decide the query, analyse and grade the recording; the same object as `run_demo`, no webhooks.

    Raises:
        InputError: the recording can't be read.
    """
    call = recordings.load(recording)
    settings = AnalysisSettings(transcriber="off")
    models = Models()
    loader = Loader(settings, {}, models)
    loader.text()
    loader.speech()
    for problem in models.problems:
        say(f"  without {problem}")
    now = time.time()
    scores = models.text.classify(query) if models.text else None
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
    analyser = CallAnalyser(models.speech, settings)
    items = [*analyser.feed(call.customer, call.agent), *analyser.finish()]
    readings = sorted((i for i in items if isinstance(i, Reading)), key=lambda r: r.t1)
    spans = [i for i in items if isinstance(i, Span)]
    length_s = len(call.customer) / recordings.RATE
    segment = Segment(
        _CALL, 0, "the agent", "", decision.queue, "queue", now, now + length_s, "customer_left"
    )
    graded = grade(readings, load_rubric(None), scores, facts=facts_of(spans, 0.0, length_s))
    events = [
        *(build.call_reading(_CALL, reading, now, segment) for reading in readings),
        build.call_graded(segment, graded, now, "demo-customer", decision.decision_id),
    ]
    for event in events:
        for line in story.lines(event.type, event.data):
            say(line)
    pairs = [(e.type, e.data) for e in (routed, *events)]
    return summary(_CALL, decision.queue, pairs, [])
