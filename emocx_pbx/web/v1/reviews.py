"""Reviews: windows to hear and label blind, how accurate the models are here, and trainings from labels."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from emocx_pbx.deeds.recordings import recording_path, stretch_of
from emocx_pbx.deeds.review_deeds import DrawReviews, LabelWindow, StopTraining, TrainCandidate
from emocx_pbx.deeds.reviews import MOST, accuracy_here
from emocx_pbx.review.accuracy import Accuracy
from emocx_pbx.review.windows import Kind
from emocx_pbx.store.review_rows import ItemRow, RoundRow, TrainingRow
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.playing import Player
from emocx_pbx.web.strings import t
from emocx_pbx.web.v1.answers import body_of, json_answer, query_of
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import Strict, Time
from emocx_pbx.web.v1.table import Answer, Endpoint, get, post
from emocx_pbx.web.v1.who import only_queues

WAV = "audio/wav"
#: Played on either side of a window, so that no word is cut.
AROUND_S = 0.4
#: Windows counted as open for one person; there may be more.
MOST_OPEN = 500
_PLAYER: web.AppKey[Player] = web.AppKey("review player", Player)

Windows = Annotated[int, Meta(ge=0, le=MOST)]
Said = Literal["angry", "neutral", "disappointed", "happy", "unclear"]


class DrawBody(Strict, frozen=True):
    """Windows to draw."""

    kind: Kind
    number: Windows = 100
    """From all windows, by chance."""
    doubts: Windows = 0
    """Beside them, from the doubtful ones."""
    twice: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Share that two people should label."""
    since: Time | None = None
    """Calls that began not before this; without it where the last round ended, or 30 days ago."""
    until: Time | None = None
    """Calls that began before this."""


class KindQuery(Strict, frozen=True):
    """Voice or text."""

    kind: Kind


class AccuracyQuery(Strict, frozen=True):
    """Which labels."""

    kind: Kind
    since: Time | None = None
    """Of rounds drawn not before this."""


class LabelBody(Strict, frozen=True):
    """What a person says of a window."""

    label: Said


class TrainingBody(Strict, frozen=True):
    """What to train."""

    kind: Kind
    promote: bool = True
    """Put the candidate into use if it is better beyond chance."""


class ReviewWindow(msgspec.Struct, frozen=True):
    """A window to label, without the model's answer."""

    item_id: str
    kind: Kind
    text: str | None
    """Of a query."""
    audio: str | None
    """Path of the sound of a window of speech."""


class ReviewNext(msgspec.Struct, frozen=True):
    """The next window for whoever asks."""

    window: ReviewWindow | None
    """None: there is nothing to label."""
    waiting: int
    """Windows that wait for whoever asks, this one among them; counted up to 500."""
    done: int
    """Windows that whoever asks has labelled."""


class ReviewLabel(msgspec.Struct, frozen=True):
    """A label as it is kept."""

    item_id: str
    label: str
    author: str


class ReviewsAnswer(msgspec.Struct, frozen=True):
    """Rounds and trainings, the newest first."""

    rounds: list[RoundRow]
    trainings: list[TrainingRow]


class TrainingBegun(msgspec.Struct, frozen=True):
    """A training that runs in the background."""

    training_id: int


class TrainingStopped(msgspec.Struct, frozen=True):
    """Whether there was one to stop."""

    stopped: bool


async def seen_item(request: web.Request) -> ItemRow:
    """The window of the address.

    Raises:
        HTTPNotFound: there is none, or (said alike) it is of none of the visitor's queues.
    """
    store = parts_of(request).store
    item = await store.reviews.item(request.match_info["item_id"], only_queues(request))
    if item is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    return item


@scoped("reviews:read", "admin")
async def list_reviews(request: web.Request) -> web.Response:
    """Rounds of windows that were drawn, and trainings from their labels."""
    reviews = parts_of(request).store.reviews
    return json_answer(request, ReviewsAnswer(await reviews.rounds(), await reviews.trainings()))


@scoped("reviews:write", "admin")
@idempotent
async def draw_reviews(request: web.Request) -> web.Response:
    """Draw windows of speech or queries for people to label; who opted out is never among them."""
    body = await body_of(request, DrawBody)
    deed = DrawReviews(body.kind, body.number, body.doubts, body.twice, body.since, body.until)
    return json_answer(request, await parts_of(request).deeds.do(deed, actor_of(request)), 201)


@scoped("reviews:write", "admin", "supervisor")
async def next_review(request: web.Request) -> web.Response:
    """The next window for whoever asks; supervisors get those of their queues."""
    kind = query_of(request, KindQuery).kind
    reviews, author, team = parts_of(request).store.reviews, actor_of(request).name, only_queues(request)
    waiting = await reviews.open(kind, author, team, MOST_OPEN)
    done, _ = await reviews.done(kind, author)
    item = await reviews.item(waiting[0], team) if waiting else None
    window = None
    if item is not None:
        sound = f"/api/v1/reviews/{item.item_id}/audio" if item.kind == "voice" else None
        window = ReviewWindow(item.item_id, item.kind, item.text, sound)
    return json_answer(request, ReviewNext(window, len(waiting), done))


@scoped("reviews:write", "admin", "supervisor")
async def review_audio(request: web.Request) -> web.StreamResponse:
    """The sound of a window as WAV, a little more than the window; or the range of it that is asked for."""
    item, recordings = await seen_item(request), parts_of(request).settings.recordings
    path = None
    if item.kind == "voice" and item.started_at is not None:
        path = await asyncio.to_thread(recording_path, recordings.path, item.key, item.started_at)
    if path is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    player = request.app[_PLAYER]
    return await player.excerpt(request, path, *stretch_of(item, recordings.begins, AROUND_S))


@scoped("reviews:write", "admin", "supervisor")
async def label_review(request: web.Request) -> web.Response:
    """What whoever asks says of a window; said again, it replaces the earlier word."""
    body, item, by = await body_of(request, LabelBody), await seen_item(request), actor_of(request)
    await parts_of(request).deeds.do(LabelWindow(item.item_id, body.label), by)
    return json_answer(request, ReviewLabel(item.item_id, body.label, by.name), 201)


@scoped("reviews:read", "admin")
async def accuracy(request: web.Request) -> web.Response:
    """How accurate the models are here, by the labels: weighted by how windows were drawn, with intervals."""
    query, parts = query_of(request, AccuracyQuery), parts_of(request)
    found = await accuracy_here(parts.store, parts.settings, query.kind, query.since or 0.0)
    return json_answer(request, found)


@scoped("models:write", "admin")
@idempotent
async def train_candidate(request: web.Request) -> web.Response:
    """Train a candidate from the labels in the background, and compare it on callers held out."""
    body = await body_of(request, TrainingBody)
    training_id = await parts_of(request).deeds.do(TrainCandidate(body.kind, body.promote), actor_of(request))
    return json_answer(request, TrainingBegun(training_id), 202)


@scoped("models:write", "admin")
async def stop_training(request: web.Request) -> web.Response:
    """End the training that runs."""
    stopped = await parts_of(request).deeds.do(StopTraining(), actor_of(request))
    return json_answer(request, TrainingStopped(stopped))


def add_player(app: web.Application) -> None:
    """What cuts windows out of recordings, for the app's life."""
    app[_PLAYER] = Player()


_ITEM = "/api/v1/reviews/{item_id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    get("/api/v1/reviews", list_reviews, "reviews", Answer("Rounds and trainings.", ReviewsAnswer)),
    post(
        "/api/v1/reviews/rounds",
        draw_reviews,
        "reviews",
        {201: Answer("The round.", RoundRow)},
        body=DrawBody,
        headers=HEADERS,
    ),
    get("/api/v1/reviews/next", next_review, "reviews", Answer("The window.", ReviewNext), query=KindQuery),
    get(
        "/api/v1/reviews/accuracy",
        accuracy,
        "reviews",
        Answer("The report.", Accuracy),
        query=AccuracyQuery,
    ),
    Endpoint(
        method="GET",
        path=f"{_ITEM}/audio",
        handler=review_audio,
        tag="reviews",
        answers={200: Answer("The sound.", media=WAV), 206: Answer("The range of it.", media=WAV)},
        refusals=(416,),
    ),
    post(
        f"{_ITEM}/label",
        label_review,
        "reviews",
        {201: Answer("The label, as stored.", ReviewLabel)},
        body=LabelBody,
    ),
    post(
        "/api/v1/reviews/trainings",
        train_candidate,
        "reviews",
        {202: Answer("It has begun.", TrainingBegun)},
        body=TrainingBody,
        headers=HEADERS,
    ),
    post(
        "/api/v1/reviews/trainings/stop",
        stop_training,
        "reviews",
        {200: Answer("Whether one ran.", TrainingStopped)},
    ),
)
