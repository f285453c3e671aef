"""What `hardware` and `top` tell of the real federation, and the plugin as kubectl runs it."""

import json
import subprocess
from typing import Any

import pytest
from tests.live import Live, wait_for

from tradewind.cli.sparkline import ASCII
from tradewind.hardware.catalog import builtin_catalog


def test_hardware_tells_of_the_real_sites_chips_in_one_measure(live: Live) -> None:
    speeds = {name: builtin_catalog().get(name).speed for name in ("nvidia-h100-sxm", "amd-mi300x")}
    with live.operator():
        live.wait_sites("alpha", "beta")

        def told() -> dict[str, Any]:
            items = json.loads(live.cli("hardware", "-o", "json"))["items"]
            found = {item["name"]: item for item in items}
            return found if speeds.keys() <= found.keys() else {}

        found = wait_for(told, "the chips")
        assert {name: found[name]["all"] for name in speeds} == {
            "nvidia-h100-sxm": 240, "amd-mi300x": 208,
        }  # fmt: skip
        assert found["amd-mi300x"]["sites"]["beta"]["all"] == 208
        for name, speed in speeds.items():
            assert found[name]["tflopsAll"] == pytest.approx(speed * found[name]["all"])
        makers = json.loads(live.cli("hardware", "--by", "vendor", "-o", "json"))["items"]
        assert {maker["name"] for maker in makers} >= {"nvidia", "amd", "huawei", "google"}
        by_kubectl = subprocess.run(
            ["kubectl", "tradewind", "hardware"],
            env=live.environment() | {"PATH": live.plugin_path()},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert by_kubectl.stdout == live.cli("hardware")
        total = f"{sum(maker['tflopsAll'] for maker in makers):,.0f}"
        assert total in by_kubectl.stdout.splitlines()[-1]


def test_top_tells_of_the_real_sites_now_and_of_their_next_hours(live: Live) -> None:
    with live.operator():
        live.wait_sites("alpha", "beta")

        def told() -> dict[str, Any]:
            items = json.loads(live.cli("top", "-o", "json"))["items"]
            found = {item["site"]: item for item in items}
            return found if (found["beta"]["forecast"] or {}).get("carbonIntensity") else {}

        # The first forecast comes within a minute of the first poll.
        found = wait_for(told, "beta's forecast", limit_s=90)
        assert found["alpha"]["ready"] == "True"
        assert found["alpha"]["now"]["load"]["value"] == pytest.approx(0.3, abs=0.02)
        assert found["alpha"]["now"]["carbonIntensity"]["state"] == "Current"
        ahead = found["beta"]["forecast"]["carbonIntensity"]["values"]
        assert len(ahead) >= 24
        assert max(ahead) - min(ahead) > 100  # its carbon intensity swings by 200

        def line() -> str:
            """A line that is scaled by itself reaches from its lowest to its highest character."""
            rows = live.cli("top", "--ascii").splitlines()
            [beta] = [row for row in rows if row.startswith("beta")]
            return next((word for word in beta.split() if {"_", "#"} <= set(word)), "")

        assert set(wait_for(line, "beta's trend")) <= set(ASCII)
