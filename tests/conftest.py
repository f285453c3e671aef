"""How hard Hypothesis looks: `HYPOTHESIS_PROFILE=deep` before a release, less while developing."""

import os

from hypothesis import settings

# No deadline: a shared machine's hiccup is not a fault of the code.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", max_examples=5000, deadline=None)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)
