"""Pages from fixed objects: what people see, word for word."""

# ruff: noqa: E501 - a table is as wide as it is

from textwrap import dedent

from tests.unit.cli import objects

from tradewind.api.site import ComputeSite
from tradewind.api.workload import AIWorkload
from tradewind.cli import explain, policies, sitedetail, sites, workloads
from tradewind.cli.view import Cell


def text(lines: list) -> str:
    """Lines of cells as a pipe would get them."""
    return "\n".join("".join(cell.text for cell in line).rstrip() for line in lines)


def golden(wanted: str) -> str:
    return dedent(wanted).strip("\n")


def test_sites_show_readiness_free_chips_and_how_sure_each_signal_is() -> None:
    table = sites.table([objects.paris(), objects.ulanqab()], objects.NOW, [objects.training()])
    got = [line.split("   ") for line in table.plain().splitlines()]
    rows = {line[0]: [cell.strip() for cell in line if cell.strip()] for line in got}
    assert rows["paris"] == [
        "paris", "False:Unreachable", "fr-idf", "FR", "-", "?", "640*", "45*", "0", "v1.37.2", "60m",
    ]  # fmt: skip
    assert rows["ulanqab"] == [
        "ulanqab", "True", "cn-nm", "CN", "nvidia-h100-sxm 64/128, huawei-ascend-910b 16/16",
        "42", "512~", "45*", "1", "v1.37.2", "60m",
    ]  # fmt: skip


def test_a_site_in_detail_names_nodes_sources_and_workloads() -> None:
    site = ComputeSite.model_validate(objects.ulanqab())
    training = AIWorkload.model_validate(objects.training())
    page = text(sitedetail.detail(site, [training], objects.NOW))
    assert (
        golden("""
        Accelerators
          CLASS                VENDOR   RESOURCE               GIB   NODES   FREE   ALL   FREE BY NODE
          nvidia-h100-sxm      nvidia   nvidia.com/gpu          80      16     64   128   7x8 2x4
          huawei-ascend-910b   huawei   huawei.com/Ascend910     -       2     16    16   2x8

        Signals
          SIGNAL              VALUE   UNIT        STATE      AGE   SOURCE
          load                 0.42   0 to 1      Current    10s   -
          carbon intensity      512   gCO2e/kWh   Stale      20m   -
          electricity price   45.00   USD/MWh     Fallback   -     spec.energy
          PUE                  1.20               Fallback   -     spec.energy

        Workloads
          WORKLOAD         PHASE     PODS   ON
          research/llama   Running      8   nvidia-h100-sxm
        """)
        in page
    )


def test_a_sites_cores_and_memory_are_told_as_people_count_them() -> None:
    found = objects.ulanqab()
    found["status"] |= {"nodes": 16}
    found["status"]["resources"] = {
        "allocatable": {"cpu": "2304000m", "memory": "25165824Mi"},
        "requested": {"cpu": "1500m", "memory": "2Gi"},
    }
    page = text(sitedetail.detail(ComputeSite.model_validate(found), [], objects.NOW))
    assert "CPU:          2 of 2,304 cores requested" in page
    assert "Memory:       2 of 24,576 GiB requested" in page


def test_a_cordoned_site_says_so() -> None:
    site = objects.ulanqab()
    site["spec"]["unschedulable"] = True
    row = sites.table([site], objects.NOW).rows[0]
    assert row[1] == Cell("True,Cordoned", row[1].tone)


def test_a_finished_placement_no_longer_counts_at_its_site() -> None:
    done = objects.training()
    done["status"]["placements"][0]["phase"] = "Succeeded"
    assert sites.occupied([AIWorkload.model_validate(done)]) == []
    running = AIWorkload.model_validate(objects.training())
    assert sites.occupied([running, running]) == ["ulanqab", "ulanqab"]


def test_workloads_show_cost_and_why_one_waits() -> None:
    items = [objects.unplaceable(), objects.training()]
    assert workloads.table(items, objects.NOW, namespaces=False).plain() == golden("""
        NAME       CLASS      PHASE     SITE      ACCELERATOR       READY     COST    CARBON   AGE   REASON
        frontier   Training   Pending   -         -                 -            -         -   10m   FitsNowhere
        llama      Training   Running   ulanqab   nvidia-h100-sxm   8/8     464.70   344.4kg   10m   -
        """)


def test_a_workload_that_no_cycle_has_seen_is_shown_all_the_same() -> None:
    fresh = objects.training()
    del fresh["status"]
    row = workloads.table([fresh], objects.NOW, namespaces=True).plain().splitlines()[1]
    assert row.split() == ["research", "llama", "Training", "Pending", *"------"[:5], "10m", "-"]


def test_explain_puts_sites_beside_each_other_term_by_term() -> None:
    assert text(explain.lines(objects.training(), objects.NOW)) == golden("""
        research/llama   Training Job
        Running at ulanqab on nvidia-h100-sxm, 8 of 8 pods ready, started 5m ago
        Estimate: 538.20 kWh, 344.4kg CO2e
        Decided 9m59s ago by the prices of policy balanced, from signals at most 12s old
        Not measured, priced at a fallback: pricePerMWh

        What it costs, USD
          SITE      ACCELERATOR       HARDWARE   ELECTRICITY   CARBON    TOTAL   DIFFERENCE
          ulanqab   nvidia-h100-sxm     412.60         40.10    12.00   464.70       chosen
          guizhou   nvidia-h100-sxm     412.60         52.20    15.20   480.00       +15.30

        Refused
          AcceleratorClassMismatch (1 site)
            paris: has nvidia-l40s; wants nvidia-h100-sxm
        """)


def test_explain_tells_what_was_used_and_what_of_it_was_assumed() -> None:
    used = {"acceleratorHours": 64, "energyKWh": 51.25, "carbonKg": 30.5, "costUSD": 1234.5,
            "assumedInputs": ["pue"]}  # fmt: skip
    page = text(explain.lines(objects.training(usage=used), objects.NOW))
    want = "Used so far: 64.00 accelerator hours, 51.25 kWh, 30.5kg CO2e, 1,234.50 USD\n"
    assert want in page
    assert "Not known at some time, charged at a fallback: pue\n" in page


def test_explain_names_what_each_site_lacks_and_how_much() -> None:
    assert text(explain.lines(objects.unplaceable(), objects.NOW)) == golden("""
        research/frontier   Training Job
        Pending: FitsNowhere
        Waiting does not help: its spec, or a site, would have to change.
        Decided 30s ago by the prices of policy balanced

        Refused
          AcceleratorClassMismatch (2 sites)
            guizhou: wants nvidia-h200-sxm; has huawei-ascend-910b
            paris: wants nvidia-h200-sxm; has nvidia-l40s
          TooLargeForSite (1 site)
            ulanqab: needs 512 nvidia-h200-sxm, has 32 in all: 480 missing
        """)


def test_explain_tells_what_earlier_runs_are_worth_until_it_is_done() -> None:
    moved = objects.training(doneSeconds=20000)
    moved["spec"]["runtime"] = {"duration": "6h"}
    told = "Its checkpoints keep 5h33m of 6h from earlier runs\n"
    assert told in text(explain.lines(moved, objects.NOW))
    moved["status"]["phase"] = "Succeeded"
    assert told not in text(explain.lines(moved, objects.NOW))


def test_finished_work_says_how_long_it_took_and_misses_no_pod() -> None:
    done = objects.training(phase="Succeeded", readyReplicas=0)
    done["status"]["placements"][0] |= {
        "phase": "Succeeded",
        "finishedAt": "2026-11-24T11:58:20Z",
    }
    page = text(explain.lines(done, objects.NOW))
    assert "Succeeded at ulanqab on nvidia-h100-sxm after 3m20s\n" in page
    row = workloads.table([done], objects.NOW, namespaces=False).plain().splitlines()[1]
    assert row.split()[5] == "-"


def test_explain_tells_a_suspended_workload_from_a_waiting_one() -> None:
    suspended = objects.training(phase="Suspended", sites="", placements=[], decision=None)
    page = text(explain.lines(suspended, objects.NOW))
    assert "It is not placed until spec.suspend is false." in page
    waiting = objects.training(phase="Pending", sites="", placements=[], decision=None)
    assert "is the operator running?" in text(explain.lines(waiting, objects.NOW))


def test_explain_shows_a_policys_own_terms_after_the_engines() -> None:
    workload = objects.training()
    decision = workload["status"]["decision"]
    decision["terms"] = {"aaa-water": 1.0, "hardware": 2.0}
    decision["alternatives"] = []
    page = text(explain.lines(workload, objects.NOW))
    assert "HARDWARE   AAA-WATER" in page
    assert "(no other would do)" in page


def test_policies_show_their_prices() -> None:
    policy = {
        "metadata": {"name": "greenest"},
        "spec": {"carbonPerTonne": 1000, "rebalance": {"minSaving": 0.1}, "terms": [
            {"name": "water", "query": "up", "pricePerUnit": 1}
        ]},
    }  # fmt: skip
    still = {"metadata": {"name": "fastest"}, "spec": {"waitPerHour": 100}}
    header, row, other = policies.table([policy, still]).plain().splitlines()
    assert header.startswith("NAME")
    assert row.split() == ["greenest", "1000", "0", "0", "0", "0", "10%", "water"]
    assert other.split() == ["fastest", "0", "100", "0", "0", "0", "-", "-"]
