"""What users write, checked: params.yaml, profiles, runs, and all other YAML of this project.

recipes   their types: Run, Recipe, Profile and others
files     params.yaml, the profiles and the runs
checked   any YAML as a typed value; errors name place, bad value and allowed values
"""

from benchmark.spec.checked import build, nearest, read_yaml
from benchmark.spec.files import PROFILES, RUNS, load, load_runs
from benchmark.spec.recipes import Normalise, Optimiser, Profile, Quantity, Recipe, Run, Training

__all__ = [
    "PROFILES",
    "RUNS",
    "Normalise",
    "Optimiser",
    "Profile",
    "Quantity",
    "Recipe",
    "Run",
    "Training",
    "build",
    "load",
    "load_runs",
    "nearest",
    "read_yaml",
]
