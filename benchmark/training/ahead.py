"""Draw the batches of the next steps in a thread, while the device works on the steps before them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from benchmark.losses import Batch


class Ahead:
    """Give the batch of a step, and have those of the steps after it drawn meanwhile.

    A batch is a function of its step, so it does not matter which ones were drawn ahead.
    """

    def __init__(self, sample: Callable[[int], Batch], count: int) -> None:
        """Draw so many batches ahead, each by one call of `sample`, one after another; 0: none, no thread."""
        self.sample, self.count = sample, count
        self.thread = ThreadPoolExecutor(1, "crops") if count else None  # ends with its last reference
        self.drawn: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step.

        Raises:
            ValueError: as `sample`.
        """
        if self.thread is None:
            return self.sample(step)
        wanted = range(step, step + self.count + 1)
        for other in self.drawn.keys() - set(wanted):
            self.drawn.pop(other).cancel()
        for number in wanted:
            if number not in self.drawn:
                self.drawn[number] = self.thread.submit(self.sample, number)
        return self.drawn.pop(step).result()
