"""`make repro` where DVC cannot work: each reason is printed, with what to do about it."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
STAGE = "stages:\n  one:\n    cmd: echo the stage speaks > out.txt\n    outs: [out.txt]\n"


def make(folder, *words, **more):
    """Run make with this project's Makefile in a folder, without setting up .venv."""
    environment = {**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT), **more}
    command = ["make", "-C", folder, "-f", ROOT / "Makefile", "-o", ".venv/ready", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture
def project(tmp_path):
    """A DVC project with one small stage."""
    (tmp_path / "dvc.yaml").write_text(STAGE)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, env={**os.environ, "PATH": PATH}, check=True)
    return tmp_path


def test_without_git_the_reader_is_told_to_make_a_repository(tmp_path):
    """A ZIP download has no .git."""
    done = make(tmp_path, "repro")

    assert done.returncode != 0
    assert "not a git repository" in done.stderr
    assert "git init" in done.stderr


def test_a_link_in_place_of_data_is_refused_before_the_work(project):
    """DVC would complain after the whole data stage."""
    (project / "sets").mkdir()
    (project / "data").symlink_to(project / "sets")
    done = make(project, "repro")

    assert "data is a symbolic link" in done.stderr
    assert f"{project / 'sets'} in DEBLUR_DATA" in done.stderr
    assert not (project / "out.txt").exists()


def test_a_held_lock_is_named(project):
    """Another DVC process has the project."""
    (project / ".dvc" / "tmp").mkdir(exist_ok=True)
    with (project / ".dvc" / "tmp" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = make(project, "repro")

    assert "Unable to acquire lock" in done.stdout + done.stderr
    assert "another `dvc` is running here" in done.stderr


def test_after_a_kill_the_pipeline_goes_on_or_says_what_is_in_the_way(project):
    """DVC drops the claim of a dead process; of one that seems alive it names the process and the file."""
    with subprocess.Popen(["true"]) as dead:
        pass
    claims = {"read": {}, "write": {str(project / "out.txt"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    claim = project / ".dvc" / "tmp" / "rwlock"
    claim.parent.mkdir(exist_ok=True)
    claim.write_text(json.dumps(claims))
    blocked = make(project, "repro")
    claim.write_text(json.dumps(claims).replace(str(os.getpid()), str(dead.pid)))
    make(project, "repro")  # the report needs more than this project has

    assert f"(PID {os.getpid()})" in blocked.stdout + blocked.stderr
    assert "rwlock" in blocked.stderr
    assert (project / "out.txt").exists()


def test_a_good_run_is_quiet(project):
    """What stages print stays; what DVC prints of every run does not."""
    (project / "dvc.yaml").write_text(STAGE.replace(" > out.txt", " | tee out.txt"))
    environment = {**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipelines"]
    first, second = (
        subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        for _ in range(2)
    )

    assert (first.returncode, first.stdout, first.stderr) == (0, "the stage speaks\n", "")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


SAVES = """
import time
open("begun", "w").close()
try:
    time.sleep(60)
except KeyboardInterrupt:
    open("out.txt", "w").close()
    raise
"""


def test_sigterm_reaches_the_stage_as_ctrl_c_does(project):
    """Also in a script's background job, where Ctrl-C is ignored; the command waits for the stage."""
    (project / "stage.py").write_text(SAVES)
    (project / "dvc.yaml").write_text(STAGE.replace("echo the stage speaks > out.txt", "python stage.py"))
    environment = {**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT)}
    script = f"'{sys.executable}' -m pipelines & echo $!; wait $!"
    with subprocess.Popen(
        ["bash", "-c", script], cwd=project, env=environment, stdout=subprocess.PIPE, text=True
    ) as shell:
        command = int(shell.stdout.readline())
        while not (project / "begun").exists():
            assert shell.poll() is None
            time.sleep(0.05)
        os.kill(command, signal.SIGTERM)

    assert shell.returncode == 130
    assert (project / "out.txt").exists()


@pytest.mark.parametrize(
    ("words", "exported", "folders"),
    [
        ([], {"DEBLUR_DATA": ""}, "data"),
        ([], {"DEBLUR_DATA": "/sets"}, "/sets"),
        (["DATA=/mine"], {"DEBLUR_DATA": "/sets"}, "/mine"),
    ],
)
def test_make_authors_looks_where_the_reader_says(tmp_path, words, exported, folders):
    """An exported DEBLUR_DATA holds, unless DATA is given."""
    assert f"DEBLUR_DATA='{folders}' " in make(tmp_path, "-n", "authors", *words, **exported).stdout


def test_make_clean_keeps_real_sets(tmp_path):
    """Only what the pipeline makes is removed: a profile's images, not a real set beside them."""
    removed = ["data/embedded/test", "results/embedded/train/a", "results/smoke/images/a", "checkpoints"]
    kept = ["data/GOPRO_Large/test", "data/pretrained", "data/published", "results/authors/images"]
    for name in (*removed, *kept, "benchmark/profiles"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("embedded", "smoke"):
        (tmp_path / "benchmark" / "profiles" / f"{name}.yaml").touch()
    make(tmp_path, "clean")

    assert not [name for name in removed if (tmp_path / name).exists()]
    assert [name for name in kept if (tmp_path / name).exists()] == kept


def test_the_advice_matches_what_dvc_prints():
    """The messages that advice is given for are DVC's own, of the version that is installed."""
    import dvc.lock
    import dvc.rwlock

    from pipelines.__main__ import ADVICE

    texts = " ".join(
        re.sub(r"\s+", " ", Path(module.__file__).read_text()) for module in (dvc.lock, dvc.rwlock)
    )
    assert all(sign in texts for sign in ADVICE), ADVICE
