"""Queries: chat text over HTTP, text from the dialplan, speech in the IVR.

An analysis worker is asked for the signals in the query, with a deadline, and the policy for a decision. In
any doubt the decision is the dialplan's own default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qsl

import structlog

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.messages import AnnounceListen, ListenResult, Ready, TextResult
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.dispatch.asked import Caller, DecidedQuery, Lines
from emocx_pbx.dispatch.grounds import Grounds
from emocx_pbx.domain import Decision, Scores
from emocx_pbx.errors import PeerUnavailable, ProtocolError
from emocx_pbx.observe.metrics import of_pbx
from emocx_pbx.routing.decision import QueryFacts, RuleOutcome

__all__ = ["Caller", "DecidedQuery", "Queries", "attributes_of", "channel_variables"]

log = structlog.get_logger()

#: Spoken queries listened to at once; further callers get the default queue.
MAX_LISTENING = 200
#: Seconds from announcing a spoken query to its AudioSocket; the prompt is played in between.
LISTEN_TTL_S = 60.0
#: Limits of EMOCX_ATTRIBUTES.
MAX_ATTRIBUTES_CHARS = 2000
MAX_ATTRIBUTES = 20
#: Seconds after which a spoken query is forgotten; longer than any prompt and answer together.
FORGET_S = 120.0


class TextWorkers(Protocol):
    """The part of the worker pool that queries need."""

    async def classify_text(self, text: str, deadline_s: float) -> TextResult:
        """Scores and topic of a text; raises PeerUnavailable at the deadline."""

    def pick(self, pbx: str = "", *, waits: bool = False) -> AnyWorker:
        """The worker with the fewest sessions, of those that this PBX reaches; raises PeerUnavailable if
        there is none. `waits`: somebody waits for it.
        """


class Queries:
    """Turns queries into decisions."""

    def __init__(
        self,
        pool: TextWorkers,
        grounds: Grounds,
        lines: Lines,
        record: Callable[[DecidedQuery], None],
        count: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            pool: the analysis workers.
            grounds: what decisions are based on besides the query.
            lines: the known lean of the site's lines.
            record: gets every decision.
            count: adds one to a counter: queries, queries_unclassified.
        """
        self._pool, self._grounds, self._lines = pool, grounds, lines
        self._record, self._count = record, count
        self._listening: dict[str, asyncio.Future[ListenResult]] = {}

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide a query given as text; within the deadline, whatever happens."""
        if caller.opted_out or not text.strip():
            return self._decide(None, None, 0.0, caller, None, "none")
        try:
            result = await self._pool.classify_text(text, self._grounds.deadline_s)
        except (PeerUnavailable, ProtocolError) as error:
            log.warning("query not classified", key="query.unclassified", why=str(error))
            self._count("queries_unclassified", **of_pbx(self._grounds.pbx_of(caller)))
            return self._decide(None, None, 0.0, caller, text, "text", failed=str(error))
        scores = None if result.probabilities is None else Scores(result.probabilities, result.threshold)
        return self._decide(
            scores, result.topic, result.topic_confidence, caller, text, "text", result=result
        )

    async def preview(self, text: str, caller: Caller) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided on a text now, and what part each rule played in it; nothing is recorded.

        Raises:
            PeerUnavailable: the text was not classified in time.
        """
        result = await self._pool.classify_text(text, self._grounds.deadline_s)
        scores = None if result.probabilities is None else Scores(result.probabilities, result.threshold)
        return self._grounds.preview(
            self._facts(scores, result.topic, result.topic_confidence, caller, "text", result)
        )

    async def listen(self, uuid: str, call_id: str) -> str:
        """Announce an IVR caller's AudioSocket to a worker; returns its HOST:PORT as Asterisk reaches it.

        Raises:
            PeerUnavailable: no worker is ready, none has a model for speech, or too many callers are being
                listened to; the caller moves on at once.
        """
        if len(self._listening) >= MAX_LISTENING:
            raise PeerUnavailable(f"{MAX_LISTENING} questions are being listened to already")
        worker = self._pool.pick(pbx_of(call_id), waits=True)
        if not _hears(worker.ready):
            raise PeerUnavailable("there is no model to understand a caller with")
        loop = asyncio.get_running_loop()
        self._listening[uuid] = loop.create_future()
        loop.call_later(FORGET_S, self._forget, uuid)
        asked = AnnounceListen(uuid, call_id, ttl_s=LISTEN_TTL_S, zeros=self._lines.zeros(call_id))
        try:
            await worker.announce(asked)
        except BaseException:
            self._forget(uuid)
            raise
        return worker.address

    def _forget(self, uuid: str) -> None:
        if future := self._listening.pop(uuid, None):
            future.cancel()

    def on_listened(self, result: ListenResult) -> None:
        """Take a worker's answer: the spoken query is over."""
        future = self._listening.get(result.uuid)
        if future and not future.done():
            future.set_result(result)

    async def by_speech(self, uuid: str, caller: Caller) -> Decision:
        """Decide what an IVR caller said; waits for the worker's answer up to the deadline."""
        future = self._listening.get(uuid)
        if future is None:
            return self._decide(None, None, 0.0, caller, None, "speech", failed="no such question")
        try:
            async with asyncio.timeout(self._grounds.deadline_s):
                result = await future
        except TimeoutError:
            self._count("queries_unclassified", **of_pbx(self._grounds.pbx_of(caller)))
            return self._decide(None, None, 0.0, caller, None, "speech", failed="the answer came too late")
        finally:
            self._forget(uuid)
        scores = None if result.probabilities is None else Scores(result.probabilities, result.threshold)
        return self._decide(
            scores, result.topic, result.topic_confidence, caller, result.text, "speech", result=result
        )

    def became_call(self, decision: Decision, caller: Caller) -> None:
        """A query that was decided without a call now belongs to the caller's call."""
        self._record(DecidedQuery(replace(decision, at=self._grounds.now()), caller, None))

    def _decide(
        self,
        scores: Scores | None,
        topic: str | None,
        topic_confidence: float,
        caller: Caller,
        text: str | None,
        source: str,
        failed: str | None = None,
        result: TextResult | ListenResult | None = None,
    ) -> Decision:
        facts = self._facts(scores, topic, topic_confidence, caller, source, result)
        decision = self._grounds.decide(facts, caller.question)
        if failed is not None:
            decision = replace(decision, status="timeout", reasons=(f"not classified: {failed}",))
        self._record(DecidedQuery(decision, caller, text))
        self._count("queries", **of_pbx(self._grounds.pbx_of(caller)))
        return decision

    def _facts(
        self,
        scores: Scores | None,
        topic: str | None,
        topic_confidence: float,
        caller: Caller,
        source: str,
        result: TextResult | ListenResult | None,
    ) -> QueryFacts:
        return QueryFacts(
            scores=scores,
            topic=topic,
            topic_confidence=topic_confidence,
            customer_key=caller.customer_key,
            default_queue=caller.default_queue or "",
            optout=caller.opted_out,
            attributes=caller.attributes,
            source=source,
            own=caller.own,
            language=result.language if result else None,
            foreign=result.foreign if result else False,
            upset_threshold=self._grounds.upset_threshold,
            pbx=self._grounds.pbx_of(caller),
        )


def _hears(ready: Ready | None) -> bool:
    """Whether listening is of any use: there is a voice model, or speech-to-text with a model for words."""
    return ready is not None and bool(ready.speech_model or (ready.transcriber and ready.text_model))


def attributes_of(text: str) -> dict[str, str]:
    """The dialplan's EMOCX_ATTRIBUTES, URL-encoded as in `plan=gold&language=de`; invalid parts are left
    out.
    """
    pairs = parse_qsl(text[:MAX_ATTRIBUTES_CHARS], keep_blank_values=True, separator="&")
    return dict(pairs[:MAX_ATTRIBUTES])


def channel_variables(decision: Decision) -> dict[str, str]:
    """The contract with the dialplan: what a decision sets on the caller's channel."""
    variables = {
        "EMOCX_DECISION": decision.decision_id,
        "EMOCX_EMOTION": decision.emotion,
        "EMOCX_CONFIDENCE": f"{decision.confidence:.3f}",
        "EMOCX_UPSET": "" if decision.upset is None else f"{decision.upset:.3f}",
        "EMOCX_TOPIC": decision.topic or "",
        "EMOCX_LANGUAGE": decision.language or "",
        "EMOCX_QUEUE": decision.queue,
        "EMOCX_ANNOUNCEMENT": decision.announcement or "",
        "EMOCX_RULE": f"emocx-{decision.tier_wait_s}" if decision.tier_wait_s else "",
    }
    levers = {
        "QUEUE_PRIO": decision.priority,
        "QUEUE_MIN_PENALTY": decision.min_penalty,
        "QUEUE_MAX_PENALTY": decision.max_penalty,
        "QUEUE_RAISE_PENALTY": decision.raise_penalty,
    }
    variables |= {name: str(value) for name, value in levers.items() if value is not None}
    # Must be last: the dialplan treats an answer without it as broken and restores its defaults.
    return variables | {"EMOCX_STATUS": decision.status}
