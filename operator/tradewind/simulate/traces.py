"""Which trace is this, and what jobs are in it? Files are told apart by their header.

tradewind   our own, see docs/simulate.md: `name,arrival_s,length_s` and optional columns
openb       pods of Alibaba's GPU cluster of 2023 (hkust-adsl/kubernetes-scheduler-simulator)
gaia        jobs as the artifact of GAIA (ASPLOS 2024) has them: `arrival_time,length,cpus`
azure-llm   requests of Azure's LLM inference services: `TIMESTAMP,ContextTokens,…`
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from tradewind.api.fields import memory_bytes, parse_duration
from tradewind.api.workload import WorkloadClass
from tradewind.base.errors import InputFileError, QuantityError
from tradewind.simulate.files import Row, header_of, rows_of
from tradewind.simulate.jobs import Job

_MIB, _GIB = 2**20, 2**30
#: GAIA's artifact counts in whole steps of 5 s, and has two queues: up to 2 h, and longer.
_GAIA_STEP_S, _GAIA_SHORT_S = 5, 7200
#: What one unit of the reference class serves, tokens a second: of the order that is published for
#: 70-billion-parameter models on one 80 GB chip in large batches. They set the size of the load
#: and nothing else.
_PREFILL_PER_S, _DECODE_PER_S = 8000.0, 1500.0
#: Requests are served by replicas that are scaled once in so many seconds.
_LLM_WINDOW_S = 300.0


class Format(NamedTuple):
    """A form of trace: the columns by which it is known, and who reads it."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[Path, tuple[str, ...]], list[Job]]


def read_jobs(file: Path) -> list[Job]:
    """Read a trace, in the order of arrival.

    Raises:
        InputFileError: no form that is known, a value that cannot be read, or no job at all.
    """
    header = header_of(file)
    for form in FORMATS:
        if set(form.columns) <= set(header):
            jobs = form.read(file, form.columns)
            break
    else:
        raise _unknown_form(file, header)
    if not jobs:
        raise InputFileError(f"{file} holds no job", hint="one line for each job")
    _check_names(file, jobs)
    return sorted(jobs, key=lambda job: (job.arrival_s, job.name))


def _unknown_form(file: Path, header: Sequence[str]) -> InputFileError:
    """What is missing for the form that the columns come nearest to."""
    nearest = max(FORMATS, key=lambda form: len(set(form.columns) & set(header)))
    missing = [column for column in nearest.columns if column not in header]
    forms = "; ".join(f"{form.name} has {','.join(form.columns)}" for form in FORMATS)
    if len(missing) == len(nearest.columns):
        what = "no form of trace that is known has these columns"
    else:
        what = (
            f"no column {', '.join(map(repr, missing))}, which traces of form {nearest.name} have"
        )
    return InputFileError(f"{file}, line 1: {what}", hint=f"forms: {forms}")


def _check_names(file: Path, jobs: Iterable[Job]) -> None:
    seen: dict[str, Job] = {}
    for job in jobs:
        if first := seen.get(job.name):
            raise InputFileError(
                f"{file}, line {job.line}, column 'name': two jobs are called {job.name!r}",
                hint=f"names are unique; the other is in line {first.line}",
            )
        seen[job.name] = job


def _own(file: Path, needed: tuple[str, ...]) -> list[Job]:
    return [_own_job(row) for row in rows_of(file, needed)]


def _own_job(row: Row) -> Job:
    known = {"name", "arrival_s", "length_s", *_OWN}
    for column in row.cells:
        if column not in known and not column.startswith("label."):
            raise row.error(column, "no such column", f"columns: {', '.join(sorted(known))}")
    job = Job(row.text("name"), row.number("arrival_s"), row.number("length_s", least=1e-3))
    given = {field: read(row, column) for column, (field, read) in _OWN.items() if row.text(column)}
    labels = {
        column.removeprefix("label."): row.text(column)
        for column in row.cells
        if column.startswith("label.")
    }
    return replace(job, labels=labels, line=row.line, **given)  # type: ignore[arg-type]


def _kind(row: Row, column: str) -> str:
    text = row.text(column)
    if text not in set(WorkloadClass):
        raise row.error(
            column, f"{text!r} is no kind of work", f"one of {', '.join(WorkloadClass)}"
        )
    return text


def _count(row: Row, column: str) -> int:
    value = row.number(column)
    if value != int(value):
        raise row.error(column, f"{value:g} is no whole number", "write a whole number")
    return int(value)


def _seconds(row: Row, column: str) -> float:
    text = row.text(column)
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else parse_duration(text)
    except QuantityError as error:
        raise row.error(column, error.message, error.hint) from error


def _bytes(row: Row, column: str) -> int:
    try:
        return memory_bytes(row.text(column))
    except QuantityError as error:
        raise row.error(column, error.message, error.hint) from error


def _names(row: Row, column: str) -> tuple[str, ...]:
    return tuple(filter(None, row.text(column).split("|")))


def _yes(row: Row, column: str) -> bool:
    text = row.text(column).lower()
    if text not in ("true", "false"):
        raise row.error(column, f"{text!r} is neither true nor false", "write true or false")
    return text == "true"


#: Columns of our own form that may be left out: the field of `Job`, and how the cell is read.
_OWN: Mapping[str, tuple[str, Callable[[Row, str], object]]] = {
    "expected_s": ("expected_s", _seconds),
    "mean_only": ("mean_only", _yes),
    "pods": ("pods", _count),
    "cpu": ("cpu_millis", lambda row, column: math.ceil(row.number(column) * 1000)),
    "memory": ("memory_bytes", _bytes),
    "accelerators": ("units", _count),
    "reference_class": ("reference_class", Row.text),
    "classes": ("classes", _names),
    "kind": ("kind", _kind),
    "priority": ("priority", lambda row, column: int(row.number(column, least=-1e9))),
    "home": ("home", Row.text),
    "max_delay": ("max_delay_s", _seconds),
    "deadline_s": ("deadline_s", _seconds),
    "max_latency_ms": ("max_latency_ms", Row.number),
    "jurisdictions": ("jurisdictions", _names),
    "checkpoint": ("checkpoint_s", _seconds),
}


def _openb(file: Path, needed: tuple[str, ...]) -> list[Job]:
    """Pods run from creation to deletion; a share of a GPU counts as a whole one.

    Tradewind places whole accelerators, so a pod with `gpu_milli` below 1000 gets one of its own.
    """
    jobs = []
    for row in rows_of(file, needed):
        if not row.text("deletion_time"):
            continue  # still running when the trace was taken: its length is not known
        arrival_s = row.number("creation_time")
        length_s = row.number("deletion_time") - arrival_s
        if length_s < 0:
            raise row.error("deletion_time", "is before the creation_time", "mend the line")
        jobs.append(
            Job(
                name=row.text("name"),
                arrival_s=arrival_s,
                length_s=max(1.0, length_s),
                cpu_millis=int(row.number("cpu_milli")),
                memory_bytes=int(row.number("memory_mib") * _MIB),
                units=int(row.number("num_gpu")),
                reference_class="",
                classes=_names(row, "gpu_spec"),
                labels={"qos": row.text("qos"), "phase": row.text("pod_phase")},
                line=row.line,
            )
        )
    return jobs


def _gaia(file: Path, needed: tuple[str, ...]) -> list[Job]:
    """Jobs of two queues, below 2 h and longer; only the mean length of each queue is known."""
    lines = list(rows_of(file, needed))
    lengths = [row.number("length", least=_GAIA_STEP_S) for row in lines]
    short = [length for length in lengths if length <= _GAIA_SHORT_S]
    long = [length for length in lengths if length >= _GAIA_SHORT_S]
    means = {
        name: _whole_steps(fmean(queue))
        for name, queue in (("short", short), ("long", long))
        if queue
    }
    jobs = []
    for number, (row, length) in enumerate(zip(lines, lengths, strict=True)):
        length_s = _whole_steps(length)
        queue = "short" if length_s < _GAIA_SHORT_S else "long"
        jobs.append(
            Job(
                name=f"job-{number:04}",
                arrival_s=_whole_steps(row.number("arrival_time")),
                length_s=length_s,
                expected_s=means[queue],
                mean_only=True,
                cpu_millis=int(row.number("cpus") * 1000),
                labels={"queue": queue},
                line=row.line,
            )
        )
    return jobs


def _whole_steps(seconds: float) -> float:
    return float(int(seconds / _GAIA_STEP_S) * _GAIA_STEP_S)


def _azure(file: Path, needed: tuple[str, ...]) -> list[Job]:
    """Requests, gathered by five minutes into replicas that serve them.

    Replicas are as many as the tokens of the window keep busy, at stated rates of one accelerator.
    """
    work: dict[int, float] = {}
    first: datetime | None = None
    for row in rows_of(file, needed):
        text = row.text("TIMESTAMP")
        try:
            at = datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)
        except ValueError as error:
            raise row.error(
                "TIMESTAMP", f"{text[:40]!r} is not a time", "write 2023-11-16 18:15:46.68"
            ) from error
        first = first or at
        window = int((at - first).total_seconds() // _LLM_WINDOW_S)
        busy_s = row.number("ContextTokens") / _PREFILL_PER_S
        busy_s += row.number("GeneratedTokens") / _DECODE_PER_S
        work[window] = work.get(window, 0.0) + busy_s
    return [
        Job(
            name=f"window-{window:05}",
            arrival_s=window * _LLM_WINDOW_S,
            length_s=_LLM_WINDOW_S,
            pods=max(1, math.ceil(busy_s / _LLM_WINDOW_S)),
            cpu_millis=4000,
            memory_bytes=32 * _GIB,
            units=1,
            kind="Inference",
        )
        for window, busy_s in sorted(work.items())
    ]


FORMATS = (
    Format("tradewind", ("name", "arrival_s", "length_s"), _own),
    Format(
        "openb",
        ("name", "cpu_milli", "memory_mib", "num_gpu", "creation_time", "deletion_time"),
        _openb,
    ),
    Format("gaia", ("arrival_time", "length", "cpus"), _gaia),
    Format("azure-llm", ("TIMESTAMP", "ContextTokens", "GeneratedTokens"), _azure),
)
