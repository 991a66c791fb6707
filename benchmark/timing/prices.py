"""What a recipe takes on a device: hours, money and energy, from the time of one step."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from benchmark.results.legacy import text
from benchmark.spec import Run
from benchmark.timing.analyse import Timing, unmeasured

HOUR = 3.6e6  # ms; and J in a kWh
NO_RATE = "no price per hour is given for this device: params.yaml, rates"


@dataclass(frozen=True)
class Price:
    """One row of results/runtime/prices.csv: the whole recipe of a run. Empty text: not known."""

    device: str
    run: str
    mode: str
    batch: int  # of the recipe, as are crop and steps
    crop: int
    steps: str
    step_ms: str  # median
    low: str  # its 95 % interval
    high: str
    hours: str
    rate: str  # of an hour on this device
    cost: str  # hours x rate
    kwh: str
    verdict: str  # of the step's timing, one of judge.VERDICTS
    reason: str


def prices(timings: Iterable[Timing], runs: Mapping[str, Run], rates: Mapping[str, float]) -> Iterator[Price]:
    """Every run that has a recipe, for each device and mode that training steps were timed in.

    A step of another batch or crop than the recipe's says nothing of the recipe, and gives no price.

    Args:
        timings: of all kinds.
        runs: by name.
        rates: price of an hour, by device, in any one currency.

    Yields:
        Rows by device and mode in the order of the timings, then by run; those that were not timed too.
    """
    timed = {(t.device, t.mode, t.run, t.batch, t.height, t.width): t for t in timings if t.kind == "step"}
    for device, mode in dict.fromkeys(key[:2] for key in timed):
        for name, run in runs.items():
            if recipe := run.train:
                crop, batch = recipe.crop, recipe.batch
                why = f"no step of batch {batch} and crop {crop} was timed"
                nothing = unmeasured(device, "step", name, mode, crop, crop, batch, why)
                step = timed.get((device, mode, name, batch, crop, crop), nothing)
                yield price(step, recipe.steps, rates.get(device))


def price(step: Timing, steps: int, rate: float | None) -> Price:
    """The row of a recipe of so many steps: hours are steps x median, energy is that of an image x images."""
    hours = cost = kwh = ""
    reason = step.reason
    if step.ms:
        took = steps * float(step.ms) / HOUR
        hours = text(took)
        cost = "" if rate is None else text(took * rate)
        kwh = text(float(step.joules) * step.batch * steps / HOUR) if step.joules else ""
        reason = "; ".join(filter(None, (reason, NO_RATE if rate is None else "")))
    return Price(
        step.device,
        step.run,
        step.mode,
        step.batch,
        step.height,
        str(steps),
        step.ms,
        step.low,
        step.high,
        hours,
        "" if rate is None else f"{rate:g}",
        cost,
        kwh,
        step.verdict,
        reason,
    )
