"""Rows of prices.csv: what a recipe takes on a device, from the time of one training step."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from benchmark.results.schema import Price, Timing
from benchmark.spec import Run, read_yaml

HOUR = 3.6e6  # ms; and J in a kWh
NO_RATE = "no price per hour is given for this device: params.yaml, rates"


def prices(timings: Iterable[Timing], runs: Mapping[str, Run], rates: Mapping[str, float]) -> Iterator[Price]:
    """Price every run that has a recipe, for each device and mode that training steps were timed in.

    A step of another batch or crop than the recipe's gives no price. `rates` are prices of an hour by device,
    in any one currency. Rows come by device and mode in the order of the timings, then by run, unmeasured
    ones too.
    """
    timed = {(t.device, t.mode, t.run, t.batch, t.height, t.width): t for t in timings if t.kind == "step"}
    for device, mode in dict.fromkeys(key[:2] for key in timed):
        for name, run in runs.items():
            if recipe := run.train:
                crop, batch = recipe.crop, recipe.batch
                reason = f"no step of batch {batch} and crop {crop} was timed"
                unmeasured = Timing(device, "step", name, mode, crop, crop, batch, "unmeasured", reason)
                step = timed.get((device, mode, name, batch, crop, crop), unmeasured)
                yield price(step, recipe.steps, rates.get(device))


def price(step: Timing, steps: int, rate: float | None) -> Price:
    """Price so many steps: hours are steps x median, energy is that of an image x images."""
    hours = cost = kwh = None
    reason = step.reason
    if step.median_ms is not None:
        hours = steps * step.median_ms / HOUR
        cost = None if rate is None else hours * rate
        if step.joules_per_image is not None:
            kwh = step.joules_per_image * step.batch * steps / HOUR
        reason = "; ".join(filter(None, (reason, NO_RATE if rate is None else "")))
    key = step.device, step.run, step.mode, step.batch, step.height
    times = step.median_ms, step.ci_low_ms, step.ci_high_ms
    return Price(*key, steps, *times, hours, rate, cost, kwh, step.verdict, reason)


def read_rates(path: Path = Path("params.yaml")) -> dict[str, float]:
    """Read what an hour on a device costs, by its name.

    Raises:
        ValueError: a rate is not a price.
    """
    params = read_yaml(path)
    rates = (params.get("rates") if isinstance(params, dict) else None) or {}
    if not isinstance(rates, dict):
        raise ValueError(f"{path}: rates: {rates!r}; allowed: a mapping of devices to prices")
    for device, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or rate <= 0:
            raise ValueError(f"{path}: rates.{device}: {rate!r} is no price of an hour; allowed: above 0")
    return dict(rates)
