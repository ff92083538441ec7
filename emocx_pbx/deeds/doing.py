"""Does what pages and API request: each deed by its own function, on the controller's store."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, assert_never, cast

from emocx_pbx.deeds import (
    corrections,
    erasure,
    grades,
    lines,
    models,
    policy,
    receivers,
    reviews,
)
from emocx_pbx.deeds import replay as replaying
from emocx_pbx.deeds.account_deeds import AccountDeeds
from emocx_pbx.deeds.base import Deed
from emocx_pbx.deeds.deed import (
    AddReceiver,
    AnyDeed,
    ChangeReceiver,
    CorrectReading,
    DisputeGrade,
    EraseCustomer,
    Forgotten,
    OverrideGrade,
    PromoteModel,
    PurgeOld,
    RemoveReceiver,
    Replay,
    ResetLines,
    RotateSecret,
    SavePolicy,
    SwitchReceiver,
    TestReceiver,
)
from emocx_pbx.deeds.learning import Learning
from emocx_pbx.deeds.models import SwitchesModels
from emocx_pbx.deeds.review_deeds import DrawReviews, LabelWindow, StopTraining, TrainCandidate
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import InputError
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.schedule import AttemptOutcome

R = TypeVar("R")


class Doer(Protocol):
    """Whoever does deeds, here or in another process."""

    async def do(self, deed: Deed[R], by: Actor) -> R:
        """Do it.

        Args:
            deed: what to do.
            by: who does it, for the audit log.

        Raises:
            EmocxError: as raised by the deed's own function.
        """


class HasQueues(Protocol):
    """The part of Policies that deeds need."""

    @property
    def queues_to_name(self) -> Mapping[str, QueueState]:
        """Queues that a policy may name, as last seen; empty: unknown."""


class Forgets(Protocol):
    """The part of the journeys that deeds need."""

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        """Takes the ids of live calls whose customers were erased."""


class Tests(Protocol):
    """The part of the sender that deeds need."""

    async def test(self, name: str) -> AttemptOutcome:
        """Send a receiver a signed test event."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """One per service: a Doer on its store."""

    store: Store
    in_force: SettingsInForce
    pbx: HasQueues
    calls: Forgets
    sender: Tests
    learning: Learning
    now: Callable[[], float] = time.time
    """Unix seconds."""
    spread: SwitchesModels | None = None
    """Spreads models to the hosts of a cluster; None: there is only this host."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.in_force.settings

    async def do(self, deed: Deed[R], by: Actor) -> R:
        """As Doer.do."""
        try:
            return cast(R, await self._do(cast(AnyDeed, deed), by))
        except OSError as error:  # when writing a file
            raise InputError(str(error)) from error

    async def _do(self, deed: AnyDeed, by: Actor) -> Any:
        store, now = self.store, self.now()
        match deed:
            case OverrideGrade(call_id, segment, score, reason):
                rubric = await grades.rubric_in_force(store, self.settings.rubric_path())
                return await grades.override(store, rubric, call_id, segment, score, reason, by)
            case DisputeGrade(call_id, segment, reason, own):
                return await grades.dispute(store, call_id, segment, reason, by, own=own)
            case CorrectReading(call_id, t0, t1, emotion, reason):
                return await corrections.correct_reading(store, call_id, t0, t1, emotion, reason, now, by)
            case Replay(which, everything):
                return await replaying.replay(store, which, by, everything=everything)
            case EraseCustomer(customer, number):
                country = self.settings.dialling.country
                erased = await erasure.erase(
                    store, customer, number, by, country, self.calls.forget_customers
                )
                return Forgotten(erased.counts, erased.settled)
            case PurgeOld():
                purged = await erasure.purge(store, self.settings, now, by)
                return Forgotten(purged.counts, purged.settled)
            case SavePolicy(text, based_on):
                path = self.settings.policy_path()
                return await policy.save_policy(store, path, text, based_on, self.pbx.queues_to_name, by)
            case PromoteModel(kind, name, version, why):
                registry = Registry(self.settings.models_path())
                return await models.promote(
                    registry, store.audit, kind, name, version, why, now, by, spread=self.spread
                )
            case ResetLines(model, line):
                return await lines.reset_lines(store, model, line, by)
            case DrawReviews() | LabelWindow() | TrainCandidate() | StopTraining():
                return await self._on_reviews(deed, by)
            case (
                AddReceiver()
                | ChangeReceiver()
                | RotateSecret()
                | SwitchReceiver()
                | RemoveReceiver()
                | TestReceiver()
            ):
                return await self._on_receivers(deed, by)
            case _:
                return await AccountDeeds(store, self.in_force, self.now).done(deed, by)

    async def _on_reviews(
        self, deed: DrawReviews | LabelWindow | TrainCandidate | StopTraining, by: Actor
    ) -> Any:
        match deed:
            case DrawReviews(kind, number, doubts, twice, since, until):
                wanted = reviews.Wanted(kind, number, doubts, twice, since, until)
                chance = random.SystemRandom()
                return await reviews.draw_round(self.store, self.settings, wanted, self.now(), by, chance)
            case LabelWindow(item_id, label):
                return await reviews.label_window(self.store, item_id, label, by)
            case TrainCandidate(kind, promoting):
                training_id, _ = await self.learning.start(reviews.checked_kind(kind), promoting, by)
                return training_id
            case StopTraining():
                return await self.learning.stop(by)
            case _:
                assert_never(deed)

    async def _on_receivers(
        self,
        deed: AddReceiver | ChangeReceiver | RotateSecret | SwitchReceiver | RemoveReceiver | TestReceiver,
        by: Actor,
    ) -> Any:
        store = self.store
        match deed:
            case AddReceiver(name, url, events, timeout_s):
                receiver = receivers.described(name, url, events, timeout_s)
                return await receivers.add_receiver(store, receiver, by)
            case ChangeReceiver(name, url, events, timeout_s):
                receiver = receivers.described(name, url, events, timeout_s)
                return await receivers.change_receiver(store, receiver, by)
            case RotateSecret(name, overlap_s):
                return await receivers.rotate_secret(store, name, overlap_s, by)
            case SwitchReceiver(name, on, reason):
                return await receivers.switch_receiver(store, name, by, on=on, reason=reason)
            case RemoveReceiver(name):
                return await receivers.remove_receiver(store, name, by)
            case TestReceiver(name):
                return await receivers.probe_receiver(store, name, self.sender.test, by)
            case _:
                assert_never(deed)
