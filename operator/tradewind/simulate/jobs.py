"""What work arrives, when, and how long does it run? One `Job` for each line of a trace."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a trace. Times are seconds of simulated time, from its start.

    Args:
        name: unique in the trace.
        arrival_s: when it is submitted.
        length_s: how long it runs on the reference class; nobody is told before it ends, except by
            way of `expected_s`, and those who know everything.
        expected_s: the run time that it states; None: its true length.
        mean_only: `expected_s` is only the mean of lengths that vary widely.
        pods: that run at once, all or none.
        cpu_millis: of one pod.
        memory_bytes: of one pod.
        units: accelerators of one pod.
        reference_class: AcceleratorClass on which `length_s` was measured.
        classes: AcceleratorClasses that will do; empty: any.
        kind: Training, Inference or Batch.
        priority: higher first.
        home: site where its users are; empty: none.
        max_delay_s: how long it may wait by choice, pauses included.
        deadline_s: the latest end; None: none.
        max_latency_ms: most round trip from its home's region; None: not limited.
        jurisdictions: where it may run; empty: anywhere.
        checkpoint_s: interval of its checkpoints; None: it may not be stopped.
        labels: facts of the trace that rules may match, such as `qos`.
        line: of the trace; 0: of no single one.
    """

    name: str
    arrival_s: float
    length_s: float
    expected_s: float | None = None
    mean_only: bool = False
    pods: int = 1
    cpu_millis: int = 0
    memory_bytes: int = 0
    units: int = 0
    reference_class: str = ""
    classes: tuple[str, ...] = ()
    kind: str = "Batch"
    priority: int = 0
    home: str = ""
    max_delay_s: float = 0.0
    deadline_s: float | None = None
    max_latency_ms: float | None = None
    jurisdictions: tuple[str, ...] = ()
    checkpoint_s: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    line: int = field(default=0, compare=False)

    @property
    def has_users(self) -> bool:
        """Whether somebody waits for its answers: then the distance from its home has a price."""
        return self.max_latency_ms is not None or self.kind == "Inference"

    @property
    def known_s(self) -> float:
        """The run time that a scheduler may know, seconds."""
        return self.length_s if self.expected_s is None else self.expected_s
