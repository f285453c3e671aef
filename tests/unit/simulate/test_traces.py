"""Traces of four forms, and how jobs are completed by a scenario's rules."""

from pathlib import Path

import pytest

from tradewind.base.errors import InputFileError
from tradewind.simulate.completion import complete
from tradewind.simulate.jobs import Job
from tradewind.simulate.scenario import Scenario, read_scenario
from tradewind.simulate.traces import read_jobs

OPENB = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
    "deletion_time,scheduled_time\n"
)


def trace(folder: Path, text: str) -> list[Job]:
    file = folder / "jobs.csv"
    file.write_text(text)
    return read_jobs(file)


def test_our_own_form_is_read_with_units(tmp_path: Path) -> None:
    (job,) = trace(
        tmp_path,
        "name,arrival_s,length_s,cpu,memory,accelerators,pods,classes,max_delay,checkpoint,home,"
        "label.team\n"
        "train,60,7200,8,64Gi,2,4,nvidia-t4|nvidia-a10,6h,30m,tw,vision\n",
    )
    assert (job.arrival_s, job.length_s, job.known_s) == (60, 7200, 7200)
    assert (job.pods, job.units, job.cpu_millis, job.memory_bytes) == (4, 2, 8000, 64 * 2**30)
    assert (job.max_delay_s, job.checkpoint_s) == (6 * 3600, 1800)
    assert job.classes == ("nvidia-t4", "nvidia-a10")
    assert job.labels == {"team": "vision"}


def test_openb_pods_run_from_creation_to_deletion(tmp_path: Path) -> None:
    jobs = trace(
        tmp_path,
        OPENB
        + "late,4000,1024,1,500,T4|P100,BE,Succeeded,100,400,110\n"
        + "early,2000,2048,0,0,,LS,Running,50,50,50\n"
        + "endless,2000,2048,0,0,,LS,Running,50,,50\n",
    )
    assert [job.name for job in jobs] == ["early", "late"]
    assert jobs[0].length_s == 1.0  # a pod that was gone at once still ran
    assert (jobs[1].length_s, jobs[1].units) == (300.0, 1)  # half a GPU takes a whole one
    assert jobs[1].labels["qos"] == "BE"


def test_gaia_jobs_are_known_by_the_mean_of_their_queue(tmp_path: Path) -> None:
    jobs = trace(
        tmp_path, "arrival_time,length,cpus\n0,1003.0,1\n7.9,3000.0,2\n9,7200.0,1\n12,21600,4\n"
    )
    # Below 2 h: 1003 and 3000, on the edge 7200 counts for both means; steps are of 5 s.
    assert [job.labels["queue"] for job in jobs] == ["short", "short", "long", "long"]
    assert [job.expected_s for job in jobs] == [3730.0, 3730.0, 14400.0, 14400.0]
    assert [job.length_s for job in jobs] == [1000.0, 3000.0, 7200.0, 21600.0]
    assert [job.arrival_s for job in jobs] == [0.0, 5.0, 5.0, 10.0]
    assert all(job.mean_only for job in jobs)


def test_llm_requests_become_replicas_of_five_minutes(tmp_path: Path) -> None:
    jobs = trace(
        tmp_path,
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,2400000,450000\n"
        "2023-11-16 18:15:50.9951690,8000,1500\n"
        "2023-11-16 18:21:50.9951690,8000,1500\n",
    )
    # 2,408,000 / 8,000 + 451,500 / 1,500 = 602 s of one accelerator in 300 s: three replicas.
    assert [(job.arrival_s, job.pods, job.kind) for job in jobs] == [
        (0.0, 3, "Inference"),
        (300.0, 1, "Inference"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "no form": ("a,b\n1,2\n", "no form of trace that is known"),
        "a column that is missing": (
            "name,arrival_s,cpu\na,0,1\n",
            "line 1: no column 'length_s', which traces of form tradewind have",
        ),
        "no kind": (
            "name,arrival_s,length_s,kind\na,0,1,Dance\n",
            "line 2, column 'kind': 'Dance' is no kind of work",
        ),
        "no number": ("name,arrival_s,length_s\na,0,nan\n", "line 2, column 'length_s': 'nan'"),
        "no job": ("name,arrival_s,length_s\n", "holds no job"),
        "twice": ("name,arrival_s,length_s\na,0,1\na,0,1\n", "line 3, column 'name': two jobs"),
        "a slip": ("name,arrival_s,length_s,prioritee\na,0,1,2\n", "column 'prioritee': no such"),
        "no length": ("name,arrival_s,length_s\na,0,0\n", "line 2, column 'length_s': 0 is below"),
        "a duration": (
            "name,arrival_s,length_s,max_delay\na,0,1,soon\n",
            "line 2, column 'max_delay'",
        ),
        "backwards": (OPENB + "p,1,1,0,0,,LS,Running,5,3,\n", "column 'deletion_time'"),
    }.values(),
)
def test_a_broken_trace_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputFileError) as refused:
        trace(tmp_path, text)
    assert told in refused.value.message


def scenario(**jobs: object) -> Scenario:
    return Scenario.model_validate(
        {
            "sites": [
                {"name": "paris", "location": {"jurisdiction": "FR"}},
                {"name": "tokyo", "location": {"jurisdiction": "JP"}},
            ],
            "jobs": jobs,
        }
    )


def test_the_first_rule_that_matches_and_says_it_counts() -> None:
    made = scenario(
        referenceClass="nvidia-t4",
        rules=[
            {"match": {"qos": "LS"}, "maxLatencyMs": 100},
            {"match": {"qos": "BE"}, "maxDelay": "24h", "deadline": "2h"},
            {"maxDelay": "1h", "maxLatencyMs": 300},
        ],
    )
    ls, be = complete(
        [
            Job("a", 0, 60, labels={"qos": "LS"}),
            Job("b", 100, 60, max_latency_ms=5, labels={"qos": "BE"}),
        ],
        made,
    )
    assert (ls.max_latency_ms, ls.max_delay_s) == (100, 3600)
    assert (be.max_latency_ms, be.max_delay_s) == (5, 86400)  # its own word goes first
    assert be.deadline_s == 100 + 60 + 7200
    assert ls.reference_class == "nvidia-t4"


def test_homes_and_shares_go_by_the_name_and_nothing_else() -> None:
    made = scenario(rules=[{"share": 0.25, "homeIn": ["FR"], "jurisdictions": ["FR"]}])
    jobs = [Job(f"job-{i}", 0, 60) for i in range(2000)]
    done = complete(jobs, made)
    assert complete(jobs[::-1], made) == done[::-1]
    at_home = [job for job in done if job.home == "paris"]
    assert 900 < len(at_home) < 1100
    bound = [job for job in done if job.jurisdictions]
    assert {job.home for job in bound} == {"paris"}
    assert 0.2 < len(bound) / len(at_home) < 0.3


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "unknown field": ("sites: [{name: a, nods: []}]", "field sites.0.nods"),
        "no sites": ("sites: []", "field sites"),
        "a slip in a part of the API": (
            "sites: [{name: a, energy: {peu: 1.2}}]",
            "field sites.0.energy.peu: there is no such field",
        ),
        "a slip in a price": (
            "{pricing: {cpuHours: 1}, sites: [{name: a}]}",
            "field pricing.cpuHours: there is no such field",
        ),
        "no class": (
            "sites: [{name: a, nodes: [{accelerators: {h900: 8}}]}]",
            "'h900' is no AcceleratorClass",
        ),
        "twice": ("sites: [{name: a}, {name: a}]", "two sites are called 'a'"),
        "no yaml": ("sites: [", "is not YAML"),
        "no mapping": ("- a", "holds no mapping"),
    }.values(),
)
def test_a_broken_scenario_names_its_field(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "sites.yaml"
    file.write_text(text)
    with pytest.raises(InputFileError) as refused:
        read_scenario(file)
    assert told in refused.value.message
