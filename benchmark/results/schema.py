"""The row of every table under `results/`: its columns in order, with types, units and allowed values.

An empty cell of a column `X | None` is None: not measured, not known or not applicable; `reason` or `note`
says which. `Meta.extra` holds the unit and how a number is written, so that a table that is read and written
again has the same bytes.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from benchmark.spec.checked import INT64


def number(unit: str, written: str = "decimal", **limits: Any) -> Meta:
    """Describe a column of numbers.

    Args:
        unit: of the values; "1" for a ratio or a score.
        written: a key of tables.WRITERS.
        limits: `ge`, `gt`, `le`, `lt` of msgspec.Meta.
    """
    return Meta(extra={"unit": unit, "written": written}, **limits)


# Numbers.
Count = Annotated[int, Meta(ge=0, le=INT64)]  # of the 64 bits that a frame has
Decimal = Annotated[float, number("1")]
Significant = Annotated[float, number("1", "significant")]
ByQuantity = Annotated[float, number("that of the quantity", "by_quantity")]
Share = Annotated[float, number("1", ge=0)]
Seconds = Annotated[float, number("s", ge=0)]
Macs = Annotated[float, number("MAC", "whole", ge=0)]
LearningRate = Annotated[float, number("1", "shortest", ge=0)]
Loss = Annotated[float, number("that of the recipe's loss", "shortest")]
Gain = Annotated[float, number("dB", "shortest")]
# Run times are written with six significant digits.
Milliseconds = Annotated[float, number("ms", "significant", ge=0)]
Ratio = Annotated[float, number("1", "significant", ge=0)]
Rate = Annotated[float, number("per second", "significant", ge=0)]
Joules = Annotated[float, number("J", "significant", ge=0)]
Mebibytes = Annotated[float, number("MiB", "significant", ge=0)]
Gmac = Annotated[float, number("10^9 MAC", "significant", ge=0)]
Tflops = Annotated[float, number("TFLOP/s", "significant", ge=0)]
Gigabytes = Annotated[float, number("10^9 B/s", "significant", ge=0)]
Celsius = Annotated[float, number("°C", "significant", ge=0)]
Watts = Annotated[float, number("W", "significant", ge=0)]

# Words.
Outcome = Literal[  # in this order the first one that a claim has decides; docs/protocols.md argues for it
    "impossible",  # its card cannot do that much work in that time
    "contradicted",  # by another number of the same paper, by arithmetic, or by the data set
    "not credible",  # its card would need near-ideal software for every layer
    "not reproduced",  # the network built or trained here gives another number
    "contested",  # papers print different numbers for the same thing, and nothing decides
    "holds",
    "close",
    "undecided",  # `reason` says why
]
Basis = Literal[
    "independent",  # a measurement that the printed number did not shape
    "print",  # another printed number
    "by construction",  # a recipe or layout that was typed from, or searched to meet, the printed number
    "mapping",  # which network a row means, and another reading gives another outcome
    "",  # undecided
]
Explanation = Literal[
    "explained",  # a formula over measured counts gives the printed number
    "known",  # unexplained, but the claims file has the measured value
    "unexplained",
    "stale",  # the claims file explains what needs none, by a formula that fails, or another measured value
    "",  # nothing to explain
]
PhysicsVerdict = Literal["possible", "not credible", "impossible", "untested"]
DecodedVerdict = Literal["decided", "inconclusive", "untested"]
Clock = Literal["asynchronous", "true", "neither", ""]  # empty: unknown
SplitVerdict = Literal["complete", "partial", "broken", "absent"]
Response = Literal["linear", "gamma", "unknown", ""]
TimingVerdict = Literal[
    "sound",  # narrow interval, no drift, enough samples
    "unsettled",  # the warm-up did not reach a steady time
    "drifting",  # times changed while they were sampled
    "inconclusive",  # the interval was too wide when the time was up, or rounds contradict each other
    "throttled",  # the device slowed itself down during too many samples
    "unsynchronised",  # the wall clock is below the device's own clock: it was read too early
    "unmeasured",  # `reason` says why
]
TimingKind = Literal["forward", "step", "ceiling", "pair"]  # a pair is a row of ratios.csv
RatioScope = Literal[
    "the paper's card",  # at 720x1280: it decides
    "another GPU or size",
    "a processor",
    "",
]
Versus = Literal["faster", "slower", "same", "ambiguous", ""]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
PictureKind = Literal[
    "blurred",
    "sharp",
    "restored",  # by a run that is no variant
    "crop",  # of what a variant restored
    "map",  # a run's attention map or features at a step of its training
    "mask",  # of CDGNet's Eq. 13
]
Direction = Literal["same", "against", "undecided"]  # of a change or an order, beside the printed one
IntervalMethod = Literal["Student's t", "bootstrap", ""]  # empty: there is no interval
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
PHYSICS_VERDICTS: tuple[PhysicsVerdict, ...] = get_args(PhysicsVerdict)


@dataclass(frozen=True)
class Measurement:
    """One row of measurements.csv: one value of a run. Without a value, `note` says why there is none."""

    run: str
    dataset: str  # empty for what does not depend on a dataset
    quantity: str
    value: ByQuantity | None
    unit: str
    n: Count  # images, or 1
    device: str
    torch: str
    profile: str
    note: str = ""


@dataclass(frozen=True)
class Score:
    """One row of quality.csv: one image under one metric."""

    run: str
    dataset: str
    image: str  # <sequence>/<frame>
    quantity: str
    value: Decimal


@dataclass(frozen=True)
class Picture:
    """One row of pictures.csv: a small picture in git, which shows some pixels of a test image."""

    dataset: str
    image: str  # <sequence>/<frame>
    kind: PictureKind
    run: str  # empty for what no run made
    name: str  # of a map; mu of a mask
    step: Count | None  # of a map: steps that were trained
    x: Count  # left column and top row of the pixels that it covers
    y: Count
    width: Count
    height: Count
    low: Significant | None  # of a map: its smallest and largest value, the ends of its colours
    high: Significant | None
    share: Share | None  # of a mask: how much of the image it covers
    fidelity: Significant | None  # PSNR in dB to the pixels that it was made from; None: the same pixels
    file: str  # its path beside the table
    source: str  # of those pixels and of how they were encoded


@dataclass(frozen=True)
class Window:
    """One row of windows.csv: a square of a test image in which the systems differ most."""

    dataset: str
    image: str
    x: Count  # left column and top row
    y: Count
    side: Count
    spread: Significant  # grey levels: root mean square distance of the systems to their mean
    best: str  # run with the highest PSNR in the window, and with the lowest
    best_psnr: Decimal
    worst: str
    worst_psnr: Decimal
    blurred_psnr: Decimal  # of the blurred input in the window


@dataclass(frozen=True)
class TrainingStep:
    """One row of a run's curve.csv."""

    step: Count
    lr: LearningRate
    loss: Loss | None  # mean since the previous point; None at step 0
    # Mean PSNR of restored crops less that of blurred ones, at few steps; None where a set has no such split.
    train: Gain | None = None
    validation: Gain | None = None
    test: Gain | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One row of curves.csv, the curves of all runs."""

    run: str
    step: Count
    lr: LearningRate
    loss: Loss | None
    train: Gain | None = None
    validation: Gain | None = None
    test: Gain | None = None


@dataclass(frozen=True)
class Complexity:
    """One row of complexity.csv: the full network of a run, whatever the profile cuts.

    Operations of a system that solves an optimisation problem are not defined: `uncounted` says why.
    """

    run: str
    params: Count
    macs_256: Count | None  # MACs at 256x256
    macs_720p: Count | None  # MACs at 720x1280
    uncounted: (
        str  # operators that fvcore does not count, with the number of calls; or why nothing is counted
    )
    macs_720p_torch: Count | None  # torch's counter: convolutions and matrix products only
    macs_720p_deformable: Count | None  # deformable convolutions, by formula; in no other column
    traffic_720p: Count | None  # bytes that all operators of one float32 forward read and write at 720x1280
    fingerprint: str = ""  # of the code and settings behind the counts


@dataclass(frozen=True)
class Structure:
    """One row of structure.csv: what a sentence says of a run's layout, as measured on the network."""

    run: str
    says: str  # the sentence, as the claims files have it
    measurement: str  # see measure/structure.py
    value: str  # a whole number, or a kernel such as "3x3"
    fingerprint: str = ""  # of the code and settings behind the layout


@dataclass(frozen=True)
class DatasetSplit:
    """One row of datasets.csv: one split of a real dataset, as the doctor examined it."""

    dataset: str
    split: str
    verdict: SplitVerdict
    images: Count  # pairs, or images of a set without sharp images
    expected: Count  # official number
    sequences: Count
    expected_sequences: Count | None  # None: its authors do not say
    response: Response  # how frames were averaged
    digest: str  # sha256 over the names and bytes of these images
    source: str  # page of the dataset
    problems: str  # separated by "; "


@dataclass(frozen=True)
class Timing:
    """One row of timings.csv: all rounds of one timing of a network, a training step or a device ceiling."""

    device: str
    kind: TimingKind
    run: str
    mode: str
    height: Count
    width: Count
    batch: Count
    verdict: TimingVerdict
    reason: str  # what was dropped, why it is not sound, what could not be measured
    rounds: Count | None = None
    samples: Count | None = None  # that count, of all rounds
    dropped: Count | None = None
    median_ms: Milliseconds | None = None  # of the synchronised wall clock over all samples that count
    ci_low_ms: Milliseconds | None = None  # 95 % interval of that median
    ci_high_ms: Milliseconds | None = None
    iqr_ms: Milliseconds | None = None
    p5_ms: Milliseconds | None = None
    p95_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None  # from 300 samples on
    aa_spread: Ratio | None = None  # largest difference of two rounds' medians, relative to the smaller
    async_ms: Milliseconds | None = None  # until the call returns, without waiting for the device
    events_ms: Milliseconds | None = None  # by the device's own clock
    graph_ms: Milliseconds | None = None  # of a replayed CUDA graph
    wall_over_async: Ratio | None = None
    wall_over_graph: Ratio | None = None
    first_call_ms: Milliseconds | None = None
    end_to_end_ms: Milliseconds | None = None  # from host memory to host memory
    images_per_second: Rate | None = None  # back to back
    joules_per_image: Joules | None = None
    allocated_mib: Mebibytes | None = None
    reserved_mib: Mebibytes | None = None
    device_mib: Mebibytes | None = None
    gmac: Gmac | None = None  # of one call
    tflops: Tflops | None = None  # 2 x MACs / median
    gb_per_s: Gigabytes | None = None  # memory traffic / median
    sm_mhz: str = ""  # median with its range: "1980 (1965 to 1980)"
    max_celsius: Celsius | None = None
    watts: Watts | None = None  # median
    versus_strict: Versus = ""  # beside the mode strict; empty for strict itself
    relative_error: Ratio | None = None  # relative L2 distance of the restored image to strict's
    psnr_change_db: Annotated[float, number("dB", "significant")] | None = None  # with the authors' weights
    torch: str = ""
    fingerprint: str = ""  # of the code and settings that were timed


@dataclass(frozen=True)
class Unmeasured:
    """One row of a device's unmeasured.csv: a timing that was requested and could not be made."""

    device: str
    kind: TimingKind
    run: str
    mode: str
    height: Count
    width: Count
    batch: Count
    reason: str
    anchor: str = ""  # of a pair


@dataclass(frozen=True)
class Price:
    """One row of prices.csv: the whole recipe of a run on a device."""

    device: str
    run: str
    mode: str
    batch: Count  # of the recipe, as are crop and steps
    crop: Count
    steps: Count
    step_ms: Milliseconds | None  # median
    ci_low_ms: Milliseconds | None  # 95 % interval of that median
    ci_high_ms: Milliseconds | None
    hours: Annotated[float, number("h", ge=0)] | None
    rate: Annotated[float, number("currency per hour", "general", ge=0)] | None
    cost: Annotated[float, number("currency", ge=0)] | None  # hours x rate
    kwh: Annotated[float, number("kWh", ge=0)] | None
    verdict: TimingVerdict  # of the step's timing
    reason: str


@dataclass(frozen=True)
class DecodedColumn:
    """One row of decoded.csv: a printed column of PSNR or SSIM, and the protocol that explains it."""

    paper: str
    table: str
    column: str  # the printed column, or the row where systems are columns
    dataset: str
    family: Literal["psnr", "ssim"]  # what the paper calls it
    protocol: str  # the best one; empty when untested
    verdict: DecodedVerdict
    residual: Annotated[float, number("that of the family", "four")] | None  # RMS of printed - expected
    runner_up: str
    runner_up_residual: Annotated[float, number("that of the family", "four")] | None  # over the same rows
    rows: Count  # with a measurement
    evidence: str  # one sentence
    mixed: str = ""  # rows that only another protocol fits, as "label: protocol", separated by "; "
    images_needed: Count | None = None  # about so many would decide; None: decided, or images do not decide


@dataclass(frozen=True)
class PrintedTime:
    """One row of times.csv: a printed run time, the physics of its card, and measured clocks."""

    paper: str
    table: str  # or the section
    row: str  # or what the sentence says
    column: str
    run: str
    printed: str
    seconds: Seconds | None
    card: str  # the paper's
    verdict: PhysicsVerdict
    reason: str  # one sentence, with the arithmetic
    macs_printed: Macs | None = None  # in the same row, at 720x1280
    macs_counted: Macs | None = None  # with deformable convolutions
    at_peak_s: Seconds | None = (
        None  # the work at the boost clock's peak; uses the MACs that gave the verdict
    )
    lower_bound_s: Seconds | None = None  # with all that software can do, at the highest clock
    memory_s: Seconds | None = None  # image and weights moved once
    eager_memory_s: Seconds | None = None  # the traffic of all operators of the counted network
    share_of_peak: Share | None = None  # the rate that the printed time needs over the card's peak
    possible_image_share: Share | None = None  # of 720x1280's pixels, up to which it is not impossible
    anchor: str = ""  # the row that ratios are formed against
    claimed_ratio: Share | None = None  # of the printed times
    macs_ratio: Share | None = None  # of the counted MACs
    measured_on: str = ""  # device, mode and size of our measurement
    measured_s: Seconds | None = None  # synchronised
    own_card: Literal["yes", ""] = ""  # whether that is the paper's card at 720x1280
    measured_ratio: Share | None = None  # of synchronised times
    async_ratio: Share | None = None  # of times until the call returns
    likely_clock: Clock = ""
    likely_clock_reason: str = ""
    paired_ratio: Ratio | None = None  # measured in turn with the anchor (ratios.csv), where that is sound
    paired_low: Ratio | None = None  # its interval
    paired_high: Ratio | None = None
    paired_on: str = ""  # device, mode and size
    paired_scope: RatioScope = ""


@dataclass(frozen=True)
class AblationStep:
    """One row of steps.csv: a change to a network, as printed and as measured over the same images."""

    paper: str  # empty, as `table`, where no paper prints both networks
    table: str
    kind: Literal["step", "whole", "variant"]  # row to row, first row to last, network to variant
    before: str  # printed label, or run
    after: str
    first: str  # run
    second: str
    dataset: str  # measured on
    printed: Annotated[float, number("dB", "general")] | None  # after - before, as is what follows
    measured: Annotated[float, number("dB")] | None
    low: Annotated[float, number("dB")] | None  # 95 % interval over sequences or photographs
    high: Annotated[float, number("dB")] | None
    interval: IntervalMethod
    images: Count
    clusters: Count  # sequences or photographs
    detectable: Annotated[float, number("dB", ge=0)] | None  # with 80 % power, by these images
    images_needed: Count | None  # to detect the printed difference; None: more than a million sequences
    outcome: Direction
    reason: str


@dataclass(frozen=True)
class Order:
    """One row of orders.csv: the systems of a printed table in the order of measured PSNRs."""

    paper: str
    table: str
    dataset: str  # printed
    measured_by: Literal["retrained", "authors' weights"]
    measured_on: str  # dataset
    systems: Count  # printed and measured
    pairs: Count  # of systems that are printed at least 0.3 dB apart
    alike: Count  # of these pairs, in the printed order
    tau: Annotated[float, number("1", "four")] | None  # Kendall's, over all pairs; None: all values are equal
    p: Annotated[float, number("1", "four", ge=0, le=1)]  # two-sided, by permutation of the measured values
    outcome: Direction
    reason: str


@dataclass(frozen=True)
class Detectable:
    """One row of detectable.csv: the smallest differences between two runs that a test set shows."""

    measured_by: Literal["retrained", "authors' weights"]
    dataset: str
    quantity: str
    images: Count
    clusters: Count  # sequences or photographs
    pairs: Count  # of runs
    median: ByQuantity | None  # over pairs of runs; None with fewer than two sequences
    largest: ByQuantity | None


@dataclass(frozen=True)
class Place:
    """Where a number is printed and what it means: the first columns of findings.csv and verdicts.csv."""

    paper: str
    table: str  # or the section
    row: str  # or what the sentence says
    column: str
    run: str
    dataset: str
    quantity: str
    printed: str  # as the paper prints it
    claimed: Annotated[float, number("that of the quantity", "general")] | None  # in base units


@dataclass(frozen=True)
class Finding(Place):
    """One row of findings.csv: what one kind of evidence says of a claim."""

    kind: str  # a file of benchmark/compare/kinds
    outcome: Outcome
    reason: str
    source: str  # the files, cells or formula that it was computed from
    measured: ByQuantity | None = None  # what the printed number is held against
    protocol: str = ""  # the metric that a printed PSNR or SSIM is compared with
    images: Count | None = None  # on so many images
    explanation: Explanation = ""
    mapping: str = ""  # the outcome if the row means another network


@dataclass(frozen=True)
class Verdict(Place):
    """One row of verdicts.csv: the overall outcome of a claim."""

    outcome: Outcome
    kind: str  # the kind of evidence that decides; empty: the claim has no finding
    basis: Basis
    reason: str
    explanation: Explanation = ""


@dataclass(frozen=True)
class PsnrOverMacs:
    """One row of psnr_over_macs.csv, for DVC's plot."""

    run: str
    dataset: str
    gmac: Annotated[float, number("10^9 MAC", ge=0)]  # at 720x1280
    psnr: Annotated[float, number("dB")]


@dataclass(frozen=True)
class Rung:
    """One row of ladder.csv: how far trainings of one size order runs as the print or others do."""

    paper: str  # empty in rows over all tables, and where no paper prints the runs
    table: str
    kind: Literal["systems", "ablation", "variants"]  # variants: of one system, that no paper prints
    dataset: str  # measured on
    rung: str  # of the profile's ladder; empty: the full trainings
    against: Literal["print", "full", "seed"]  # seed: one seed's order against the other's, of equal size
    runs: Count
    seeds: Count  # that all runs have, over which a run's values are averaged; others do not count
    seeds_other: Count | None  # the same of the trainings that it is compared with; empty: of the print
    pairs: Count  # of runs printed at least 0.3 dB apart; of variants, all
    alike: Count  # of these pairs, in the same order
    share: Annotated[float, number("1", "four", ge=0, le=1)] | None
    low: Annotated[float, number("1", "four", ge=0, le=1)] | None  # 95 %, over photographs and seeds
    high: Annotated[float, number("1", "four", ge=0, le=1)] | None
    p: Annotated[float, number("1", "four", ge=0, le=1)] | None  # two-sided, by permutation of the runs
    signal: Annotated[float, number("dB", "four", ge=0)] | None  # standard deviation between the runs' means
    noise_seeds: Annotated[float, number("dB", "four", ge=0)] | None  # of a run's means between its seeds
    noise_end: Annotated[float, number("dB", "four", ge=0)] | None  # between the last points of a curve
    signal_over_noise: Annotated[float, number("1", "four", ge=0)] | None
    reason: str  # why something is empty


@dataclass(frozen=True)
class Collapse:
    """One row of collapse.csv: how near a rung's normalised curve is to that of the full training."""

    run: str
    rung: str
    seeds: Count  # that both have
    distance: Annotated[float, number("1", "four", ge=0)] | None  # of the normalised curves, root mean square
    noise: Annotated[float, number("1", "four", ge=0)] | None  # the same between seeds of the full training
    collapses: Literal["yes", "no", ""]
    reason: str


@dataclass(frozen=True)
class Forecast:
    """One row of forecasts.csv: a curve's last gain, predicted from its first part, and the gain itself."""

    run: str
    seed: Count
    rung: str
    points: Count  # of the first part
    forecast: Annotated[float, number("dB", "four")] | None
    low: Annotated[float, number("dB", "four")] | None  # 90 % interval
    high: Annotated[float, number("dB", "four")] | None
    final: Annotated[float, number("dB", "four")] | None
    error: Annotated[float, number("dB", "four")] | None  # forecast - final
    error_of_last: Annotated[float, number("dB", "four")] | None  # of the last value seen
    error_of_law: Annotated[float, number("dB", "four")] | None  # of a power law
    inside: Literal["yes", "no", ""]
    reason: str
