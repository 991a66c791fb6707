"""What a plan says of trainings that have not started, and what a budget cuts."""

import itertools
import json
import os
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmark import claims, engine, spec
from benchmark.compare import differences, physics
from benchmark.measure import rates
from benchmark.training import planning
from pipelines import budget, plan


def best(costs, devices):
    """The earliest possible end, by trying every assignment."""
    return min(
        max(sum(c for c, d in zip(costs, on, strict=True) if d == device) for device in range(devices))
        for on in itertools.product(range(devices), repeat=len(costs))
    )


@pytest.mark.parametrize("seed", range(20))
def test_longest_first_ends_within_grahams_bound_of_the_best(seed):
    """Graham 1969: at most 4/3 - 1/(3 m) times the best schedule's end, which no lower bound exceeds."""
    draw = random.Random(seed)
    devices = draw.randint(2, 3)
    costs = {str(i): draw.uniform(1, 10) for i in range(7)}
    slots = planning.schedule(costs, devices)
    ideal = best(list(costs.values()), devices)

    assert planning.lower_bound(costs.values(), devices) <= ideal + 1e-9
    assert ideal - 1e-9 <= planning.finish(slots) <= (4 / 3 - 1 / (3 * devices)) * ideal + 1e-9
    for device in range(devices):  # one after the other, without a gap
        mine = sorted((s.begin, s.end) for s in slots if s.device == device)
        assert [begin for begin, _ in mine] == [0.0, *(end for _, end in mine[:-1])]


def test_eight_gpus_are_used_to_the_end():
    """All runs of profile `paper` on eight H200 end within 10 % of the lower bound."""
    profile, runs = spec.load(profile="paper")
    costs = {
        n: row.seconds for n, row in plan.estimates(profile, runs, plan.device("NVIDIA H200", 8)).items()
    }
    end = planning.finish(planning.schedule(costs, 8))

    assert len(costs) > 60
    assert end <= 1.1 * planning.lower_bound(costs.values(), 8)


def test_an_assumed_hour_is_the_arithmetic_of_the_recipe():
    """DMPHN(1)'s hours on an H200: three passes of its MACs a step, at 30 % of the card's 66.91 TFLOP/s."""
    profile, runs = spec.load(profile="paper")
    recipe = runs["dmphn_1"].train
    row = plan.estimates(profile, runs, plan.device("NVIDIA H200", 1))["dmphn_1"]
    macs = next(c.macs_256 for c in plan.read_rows(plan.COMPLEXITY, plan.Complexity) if c.run == "dmphn_1")
    flops = 2 * 3 * macs * recipe.batch * (recipe.crop / 256) ** 2 * recipe.steps

    assert row.source == "assumed rate"
    assert row.seconds == pytest.approx(flops / (0.3 * 66.91e12), rel=0.02)


def test_a_timed_step_counts_more_than_an_assumed_rate():
    """A step of the recipe's batch and crop, 0.5 s on that card, prices the recipe."""
    profile, runs = spec.load(profile="paper")
    recipe = runs["dmphn_1"].train
    training = profile.trainings(runs)["dmphn_1"]
    steps = {("dmphn_1", recipe.batch, recipe.crop): 0.5}
    row = plan.estimate(training, 1e12, steps, plan.device("NVIDIA H200", 1))

    assert row == plan.Estimate(0.5 * recipe.steps, "timed step")


def test_money_is_hours_times_the_rate(capsys):
    """The plan's money is its work times the price of params.yaml."""
    assert plan.main("--profile", "paper", "--card", "NVIDIA H200", "--devices", "8") == 0
    lines = dict(line.strip().split("  ", 1) for line in capsys.readouterr().out.splitlines()[1:])
    hours = float(lines["work"].split()[0].replace(",", ""))
    money = float(lines["money"].split()[0].replace(",", ""))

    assert money == pytest.approx(4.25 * hours, rel=0.01)
    assert lines["device"].strip() == "8 x NVIDIA H200"


def test_an_unknown_card_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no 'GTX 9'") as raised:
        plan.device("GTX 9", 1)
    cards, _ = physics.read()

    assert any(card.name in str(raised.value) for card in cards.values())


@pytest.mark.parametrize("text", ["", "ten", "0m", "-5m", "10 parsecs"])
def test_a_budget_is_a_length_of_time(text):
    with pytest.raises(ValueError, match="allowed"):
        planning.seconds(text)


def test_many_hours_are_asked_about(tmp_path, monkeypatch, capsys):
    """Profile `paper` starts nothing unless somebody agrees; the default profile is not asked about."""
    root = os.getcwd()
    for name in ("benchmark", "params.yaml"):
        os.symlink(f"{root}/{name}", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    os.makedirs("results")
    os.symlink(f"{root}/results/complexity.csv", "results/complexity.csv")
    monkeypatch.setattr(plan.sys, "stdin", SimpleNamespace(isatty=lambda: False))
    monkeypatch.delenv("YES", raising=False)
    load = spec.load

    monkeypatch.setattr(spec, "load", lambda profile="": load(profile="embedded"))
    assert plan.consent()
    monkeypatch.setattr(spec, "load", lambda profile="": load(profile="paper"))
    assert not plan.consent()
    assert "YES=1" in capsys.readouterr().err
    monkeypatch.setenv("YES", "1")
    assert plan.consent()


GROUPS = [
    planning.Group({"a": 900, "b": 900}, {"a": 0.1, "b": 0.3}, {"a": 1, "b": 2}),
    planning.Group({"c": 40}, {"c": 0.05}, {"c": 1}),
    planning.Group({"d": 5000}, {"d": 0.02}, {"d": 1}),
]


@pytest.mark.parametrize(("devices", "seconds"), [(1, 60), (2, 60), (2, 200), (4, 31)])
def test_steps_use_the_budget_and_no_more(devices, seconds):
    """Steps end in time, are equal in a group, never more than asked for, and use 90 % of the budget."""
    steps = planning.fit(GROUPS, devices, seconds)
    costs = {r: g.starts[r] + steps[r] * g.rates[r] for g in GROUPS for r in g.steps}
    end = planning.finish(planning.schedule(costs, devices))

    assert steps["a"] == steps["b"]
    assert all(1 <= steps[r] <= g.steps[r] for g in GROUPS for r in g.steps)
    assert end <= seconds
    assert end > 0.9 * seconds or all(steps[r] == min(g.steps.values()) for g in GROUPS for r in g.steps)


def test_too_small_a_budget_says_what_it_leaves():
    with pytest.raises(ValueError, match=r"one step of every run .* 4 s"):
        planning.fit(GROUPS, 1, 4)


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """Every step takes 0.2 s and every image 0.1 s."""
    folder = tmp_path / "rates"
    monkeypatch.setattr(budget, "RATES", folder)
    monkeypatch.setattr(budget, "rendering", lambda profile, devices: 20.0)

    def each(title, work, cost):
        for name in cost:
            (folder / f"{name}.json").write_text(json.dumps({"step": 0.2, "image": 0.1}))
        return 0

    monkeypatch.setattr(engine, "each", each)
    monkeypatch.setattr(engine, "workers", lambda count: 2)


def test_a_budget_becomes_a_profile(timed, tmp_path):
    """What is saved can be read, names where it is from, and trains the rows of each table equally long."""
    profile, runs = spec.load(profile="night")
    short = budget.cut(profile, runs, "30m", budget.time.monotonic())
    for name in ("runs", "profiles"):
        (tmp_path / "benchmark" / name).mkdir(parents=True)
        for file in (spec.RUNS.parent / name).glob("*.yaml"):
            (tmp_path / "benchmark" / name / file.name).write_text(file.read_text())
    params = tmp_path / "params.yaml"
    params.write_text("# kept\nprofile: night # a profile\nsteps: null\n")
    path = budget.save(short, params)
    read, _ = spec.load(params)
    steps = {n: t.profile.cut(t.run.train)[1] for n, t in read.trainings(runs).items() if t.run.train}

    assert path.name == "night_30m.yaml"
    assert params.read_text() == "# kept\nprofile: night_30m # a profile\nsteps: null\n"
    assert read == replace(short, perceptual=tuple(short.perceptual), runs=tuple(short.runs))
    assert (read.cut_from, read.seeds, read.ladder, read.final) == ("night", 1, (), False)
    assert len(steps) > 60
    for table in differences.ablation_tables(claims.read(), runs):
        assert len({steps[c.run] for c in differences.networks(table) if c.run in steps}) == 1
    assert sum(steps.values()) * 0.2 / 2 < 30 * 60
    assert any("of" in cut and "steps" in cut for cut in read.at(runs["cdgnet"]).cuts(runs["cdgnet"].train))


def test_a_budget_of_a_budget_is_one_of_the_profile_that_it_was_cut_from(timed):
    profile, runs = spec.load(profile="embedded")
    short = replace(profile, name="embedded_5m", cut_from="embedded", steps=3, overrides={})

    assert budget.cut(short, runs, "20m", budget.time.monotonic()).name == "embedded_20m"


def test_a_budget_is_of_the_profile_that_params_yaml_names():
    """The processes that time its runs read that one."""
    with pytest.raises(ValueError, match=r"params\.yaml names"):
        plan.main("--profile", "gpu", "--budget", "10m")


def test_images_are_left_out_where_scoring_takes_longest(timed, monkeypatch):
    """With 1 s an image, so many are scored as fit into half of what the other stages leave."""
    profile, runs = spec.load(profile="embedded")
    monkeypatch.setattr(budget.json, "loads", lambda text: {"step": 0.001, "image": 1.0})
    left = (1 - budget.RESERVE) * 16 * 60 - budget.OTHER_STAGES - 20
    images = budget.cut(profile, runs, "16m", budget.time.monotonic()).images

    assert images["test"] == left / 2 // (len(profile.of(runs)) / 2)
    assert images["test"] < profile.images["test"]


def test_a_step_is_timed_as_the_profile_cuts_it(monkeypatch):
    """The batch and the crop are the profile's, and the time is above zero."""
    seen = []

    class Trainer:
        def __init__(self, networks, pairs, recipe, settings):
            seen.append((recipe.batch, recipe.crop, settings.steps, pairs.blurry[0].shape))

        def step(self, number):
            return 0.0

    monkeypatch.setattr(rates, "NetworkTrainer", Trainer)
    monkeypatch.setattr(rates, "SECONDS", 0.0)
    profile, runs = spec.load(profile="smoke")
    training = profile.trainings(runs)["dmphn_1"]

    assert rates.step_seconds(training) > 0
    assert seen == [(2, 32, 6, (256, 256, 3))]


def test_an_image_is_restored_and_scored():
    profile, runs = spec.load(profile="smoke")

    assert rates.image_seconds(profile.trainings(runs)["dmphn_1"]) > 0
    assert rates.image_seconds(profile.trainings(runs)["identity"]) > 0
