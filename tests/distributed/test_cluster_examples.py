"""The cluster examples, run as their schedulers would: every job its index, all of them one data set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from synthgen.generation import verify

EXAMPLES = Path(__file__).parents[2] / "examples" / "cluster"


def run_jobs(commands: list[tuple[list[str], dict[str, str]]]) -> list[str]:
    """Run all at once; what each said on stderr if it failed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    jobs = [
        subprocess.Popen(command, env=environment | own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command, own in commands
    ]
    said = [job.communicate(timeout=300)[1] for job in jobs]
    return [text for job, text in zip(jobs, said, strict=True) if job.returncode]


def test_a_slurm_array_fills_one_data_set(tiny_run, tmp_path):
    out = tmp_path / "d"
    script = ["bash", str(EXAMPLES / "slurm.sh"), str(tiny_run.path), "20", str(out), "4"]
    array = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
    failed = run_jobs([(script, array | {"SLURM_ARRAY_TASK_ID": str(index)}) for index in range(2)])
    assert failed == []
    assert verify(out).faults == ()


def test_an_indexed_kubernetes_job_fills_one_data_set(tiny_run, tmp_path):
    job = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]
    container = spec["template"]["spec"]["containers"][0]
    (script,) = container["args"]
    assert f"WORLD_SIZE={spec['completions']} " in script
    out = tmp_path / "d"
    for said, here in (
        (f"WORLD_SIZE={spec['completions']}", "WORLD_SIZE=2"),
        ("/shared/runs/image-digits-1", str(tiny_run.path)),
        ("/shared/digits", str(out)),
        ("--n 1000000", "--n 20"),
        ("--shards 160", "--shards 4"),
        ("OMP_NUM_THREADS=2", "OMP_NUM_THREADS=1"),
    ):
        assert said in script
        script = script.replace(said, here)
    pods = [([*container["command"], script], {"JOB_COMPLETION_INDEX": str(index)}) for index in range(2)]
    assert run_jobs(pods) == []
    assert verify(out).faults == ()


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_sound_shell(script):
    subprocess.run(["bash", "-n", str(script)], check=True)
