"""Where a test may break the operator: named points between two writes.

`TRADEWIND_FAULT_POINT=after-status` ends the process with SIGKILL the first time it passes there,
`after-status:3` the third time. Outside tests the variable is unset and a point costs one look-up.
The points are part of the crash test's contract: each stands right after a write was answered.
"""

import os
import signal
from typing import Final

AFTER_FINALIZER: Final = "after-finalizer"
AFTER_STATUS: Final = "after-status"
AFTER_EVICTION: Final = "after-eviction"
AFTER_RELEASE: Final = "after-release"
AFTER_APPLY: Final = "after-apply"
AFTER_DELETE: Final = "after-delete"
AFTER_LEDGER: Final = "after-ledger"
POINTS: Final = (
    AFTER_FINALIZER,
    AFTER_STATUS,
    AFTER_EVICTION,
    AFTER_RELEASE,
    AFTER_APPLY,
    AFTER_DELETE,
    AFTER_LEDGER,
)


class _Fault:
    def __init__(self, setting: str) -> None:
        self.name, _, count = setting.partition(":")
        self.left = int(count or 1)
        if self.name and self.name not in POINTS:
            known = ", ".join(POINTS)
            raise ValueError(f"TRADEWIND_FAULT_POINT={setting}: no such point; there are {known}")


_fault = _Fault(os.environ.get("TRADEWIND_FAULT_POINT", ""))


def fault_point(name: str) -> None:
    """Die here if a test asked for it."""
    if name != _fault.name:
        return
    _fault.left -= 1
    if _fault.left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
