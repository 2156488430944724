"""Questions that come at the same time are answered together, by one thread."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from crypto_nn.features.live_windows import Window
from crypto_nn.inference.answering import Answering, Probabilities


class Overloaded(Exception):
    """More is asked than can be answered: ask again later."""


@dataclass(frozen=True, eq=False)
class _Question:
    answering: Answering
    symbol: str
    window: Window
    deadline: float
    answer: "Future[Probabilities]" = field(default_factory=Future)


class MicroBatcher:
    """A bounded queue, and one thread that asks networks for up to `max_batch` windows at once.

    Args:
        max_batch: windows asked at once.
        max_wait_s: how long a batch waits for more after its first question.
        capacity: questions that may wait.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        max_batch: int,
        max_wait_s: float,
        capacity: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_batch, self.max_wait_s, self.capacity = max_batch, max_wait_s, capacity
        self._clock = clock
        self._waiting: queue.Queue[_Question | None] = queue.Queue()
        self._lock, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
        self._asking = ThreadPoolExecutor(1, "network")

    @property
    def depth(self) -> int:
        """How many questions wait."""
        return self._waiting.qsize()

    @property
    def running(self) -> bool:
        """Whether questions are answered."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Take no more questions, and answer those that wait."""
        with self._lock:
            already, self._closed = self._closed, True
            if not already:
                self._waiting.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._asking.shutdown()

    def ask(
        self, answering: Answering, symbol: str, window: Window, within_s: float
    ) -> "Future[Probabilities]":
        """Wait in line; the answer is (H, 3).

        The future has `Overloaded` where `within_s` passed before its turn came, and else
        whatever `Answering.probabilities` raises.

        Raises:
            Overloaded: too many wait, or the server is about to end.
        """
        question = _Question(answering, symbol, window, self._clock() + within_s)
        with self._lock:
            if self._closed or self._waiting.qsize() >= self.capacity:
                raise Overloaded
            self._waiting.put(question)
        return question.answer

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, end = [first], self._clock() + self.max_wait_s
            ends = False
            while len(batch) < self.max_batch and not ends:
                try:
                    following = self._waiting.get(timeout=max(0.0, end - self._clock()))
                except queue.Empty:
                    break
                if following is None:
                    ends = True
                else:
                    batch.append(following)
            self._answer(batch)
            if ends:
                return

    def _answer(self, batch: Sequence[_Question]) -> None:
        by_version: dict[int, list[_Question]] = {}
        now = self._clock()
        for question in batch:
            if not question.answer.set_running_or_notify_cancel():
                continue  # whoever asked has left
            if now > question.deadline:
                question.answer.set_exception(Overloaded())
            else:
                by_version.setdefault(id(question.answering), []).append(question)
        for questions in by_version.values():
            self._answer_together(questions)

    def _answer_together(self, questions: Sequence[_Question]) -> None:
        asked = self._asking.submit(
            questions[0].answering.probabilities,
            [q.symbol for q in questions],
            [q.window for q in questions],
        )
        error = asked.exception()  # whoever asked is told of it, and the thread lives on
        if error is None:
            for question, p_HC in zip(questions, asked.result(), strict=True):
                question.answer.set_result(p_HC)
        elif len(questions) > 1:  # one bad window must not fail the others
            for question in questions:
                self._answer_together([question])
        else:
            questions[0].answer.set_exception(error)
