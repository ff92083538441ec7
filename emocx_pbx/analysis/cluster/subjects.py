"""The subjects of our messages on NATS. Pure."""

from __future__ import annotations

from typing import Final

#: The stream that keeps what is heard of calls until a controller wrote it down.
STREAM: Final = "EMOCX"
STREAM_SUBJECTS: Final = ("emocx.tap.>",)
#: Models that are in use in the whole cluster, or are to be, and their files.
MODELS_STREAM: Final = "EMOCX_MODELS"
MODELS_SUBJECTS: Final = ("emocx.models.set.*", "emocx.models.file.*.*")
MODELS_IN_USE: Final = "emocx.models.set.in_use"
MODELS_NEXT: Final = "emocx.models.set.next"
#: One of those two is another now.
MODELS_NEWS: Final = "emocx.models.news"
#: How far each worker and controller is with the next ones.
MODELS_TAKEN: Final = "emocx.models.taken"
#: All workers' signs of life.
BEATS: Final = "emocx.beat.*"
#: Decisions that any controller may take, for the doors.
DECIDE: Final = "emocx.decide"
#: Who answers those share them.
DECIDERS: Final = "controllers"


def pbx_part(pbx: str) -> str:
    """A PBX as part of a subject; the one without a name is `_`, which no name is."""
    return pbx or "_"


def decide(pbx: str) -> str:
    """Decisions for a PBX, of the controller that acts for it."""
    return f"emocx.decide.{pbx_part(pbx)}"


def spoken_answers(life: str) -> str:
    """Decisions on what callers said, of the one controller that was told of their questions."""
    return f"emocx.heard.{life}"


def beat(life: str) -> str:
    """Of one worker's process, by what names its life."""
    return f"emocx.beat.{life}"


def orders(life: str) -> str:
    """What one worker's process is asked."""
    return f"emocx.worker.{life}"


def drain(worker: str) -> str:
    """Asked of a worker by its name, whichever process it is now."""
    return f"emocx.drain.{worker}"


def controller(life: str) -> str:
    """What one controller's process is told and asked."""
    return f"emocx.controller.{life}"


def echo(life: str) -> str:
    """By which a controller hears itself: so it knows whether it could hear others."""
    return f"emocx.echo.{life}"


def at_once(pbx: str) -> str:
    """What of a PBX's taps is told at once, without the stream: that they begin, and what is kept nowhere."""
    return f"emocx.started.{pbx_part(pbx)}"


def tap(pbx: str, uuid: str) -> str:
    """Results of one tap, for the stream."""
    return f"emocx.tap.{pbx_part(pbx)}.{uuid}"


def taps(pbx: str) -> str:
    """Results of all taps of a PBX."""
    return f"emocx.tap.{pbx_part(pbx)}.*"


#: All that controllers tell web nodes; each controller's in its order.
WEB_NEWS: Final = "emocx.web.news.*"
#: Signs of life of web nodes, and what they count of what is limited.
WEB_NODES: Final = "emocx.web.node.*"


def web_news(life: str) -> str:
    """Messages of one controller to web nodes."""
    return f"emocx.web.news.{life}"


def web_asked(life: str) -> str:
    """Requests of web nodes to one controller."""
    return f"emocx.web.asked.{life}"


def web_board(life: str) -> str:
    """Live boards that one web node asked for, by its life."""
    return f"emocx.web.board.{life}"


def web_node(life: str) -> str:
    """Of one web node."""
    return f"emocx.web.node.{life}"


def model_parts(sha256: str) -> str:
    """All parts of one file of a model."""
    return f"emocx.models.file.{sha256}.*"


def model_part(sha256: str, number: int) -> str:
    """One part of a file of a model, counted from 0."""
    return f"emocx.models.file.{sha256}.{number}"
