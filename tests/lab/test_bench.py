# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The bench's reckoning, without hosts: figures, budget, chart, profile, and when a host rests."""

import json
import xml.etree.ElementTree as etree

import pytest

from lab.bench import budget, chart, figures, meter, profile, ruler
from lab.config import LabError

SMALL = {"1500": {"iroce + ESP": {"send_64k": 1000, "pingpong_8": 5000}}}
BUDGET = {"slack_percent": {"send_64k": 1, "pingpong_8": 3}, "instructions": SMALL}


def measured(**cells):
    return {"1500": {"iroce + ESP": {**SMALL["1500"]["iroce + ESP"], **cells}}}


# ---- the budget

def test_a_figure_within_the_slack_is_no_fault():
    assert budget.over_budget(measured(send_64k=1010, pingpong_8=5150), BUDGET) == []


@pytest.mark.parametrize("cells", [{"send_64k": 1011}, {"pingpong_8": 5151}])
def test_a_figure_over_the_slack_is_named(cells):
    found = budget.over_budget(measured(**cells), BUDGET)
    assert len(found) == 1 and figures.TITLES[next(iter(cells))] in found[0]


def test_another_kernel_may_take_more_and_not_anything():
    assert budget.over_budget(measured(send_64k=1100), BUDGET, same_kernel=False) == []
    assert budget.over_budget(measured(send_64k=1101), BUDGET, same_kernel=False)


def test_of_two_looks_the_lesser_figure_of_each_cell_counts():
    assert budget.least(measured(send_64k=1011, pingpong_8=4000),
                        measured(send_64k=1005, pingpong_8=5151)) == \
        measured(send_64k=1005, pingpong_8=4000)


def test_a_figure_that_was_not_measured_is_a_fault():
    found = budget.over_budget({"1500": {"iroce + ESP": {"send_64k": 1}}}, BUDGET)
    assert len(found) == 1 and "not measured" in found[0]


def test_a_figure_without_a_budget_is_a_fault():
    found = budget.over_budget(measured(read_64k=1), BUDGET)
    assert len(found) == 1 and "not in the budget" in found[0]


def test_a_budget_that_could_be_lower_is_told():
    assert budget.savings(measured(send_64k=900), BUDGET)
    assert not budget.savings(measured(send_64k=990), BUDGET)


def test_the_budget_in_the_tree_holds_the_short_form():
    allowed = budget.read()
    names = {c.name for c in ruler.SHORT_CELLS}
    assert budget.count(allowed) == 2 * 2 * len(names)
    for by_setup in allowed["instructions"].values():
        assert set(by_setup) == {"iroce + ESP", "iroce plain"}
        assert all(set(row) == names for row in by_setup.values())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"instructions": {}}'])
def test_a_budget_that_is_none_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv("ROCE_IPSEC_LAB_SOURCE", str(tmp_path))
    (tmp_path / "tests/bench").mkdir(parents=True)
    budget.path().write_text(text)
    with pytest.raises(LabError):
        budget.read()


def test_a_new_budget_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setenv("ROCE_IPSEC_LAB_SOURCE", str(tmp_path))
    (tmp_path / "tests/bench").mkdir(parents=True)
    budget.write(SMALL, "some kernel")
    assert budget.over_budget(SMALL, budget.read()) == []


# ---- figures

ROUNDS = {1500: {"iroce + ESP": {"send_64k": [{"a": 400, "b": 600}, {"a": 420, "b": 620},
                                              {"a": 900, "b": 600}]}}}


def test_the_median_is_of_both_hosts_together():
    assert figures.instructions(ROUNDS) == {"1500": {"iroce + ESP": {"send_64k": 1040}}}


def test_the_table_shows_what_was_not_measured_as_such():
    rounds = {1500: {**ROUNDS[1500], "rxe + ESP": {}}}
    assert figures.table(rounds, 3).splitlines()[-1].split() == ["rxe", "+", "ESP", "-"]


def test_the_verdict_says_who_costs_more():
    rounds = {9000: {"iroce plain": {"send_64k": [{"a": 60, "b": 60}]},
                     "rxe plain": {"send_64k": [{"a": 50, "b": 50}]}}}
    assert "64 KB send 1.20" in figures.verdict(rounds)


def test_differences_are_told_per_cell():
    text = figures.differences(SMALL, measured(send_64k=1010, pingpong_8=4900))
    assert "64 KB send +1.0 %" in text and "8 B ping-pong -2.0 %" in text
    assert text.endswith("most: 2.0 %")


def test_json_that_is_no_bench_is_refused(tmp_path):
    path = tmp_path / "x.json"
    for text in ("{", "[]", json.dumps({"instructions": 1})):
        path.write_text(text)
        with pytest.raises(LabError):
            figures.read_json(path)


def test_the_chart_is_xml_with_a_bar_for_each_figure():
    found = etree.fromstring(chart.svg(SMALL, "<title>"))
    bars = [e for e in found.iter() if e.tag.endswith("rect")]
    assert len(bars) == 1 + len(chart.COLOURS) + 2


# ---- cells

@pytest.mark.parametrize("name, mtu, answer, packets", [
    ("send_64k", 1500, "done", 64), ("send_64k", 9000, "done", 16),
    ("pingpong_8", 1500, "done", 1), ("tcp", 1500, "done 1024", 64)])
def test_packets_of_a_message(name, mtu, answer, packets):
    cell = next(c for c in ruler.CELLS if c.name == name)
    assert cell.packets(mtu, answer) == packets


# ---- the meter

class Counted:
    """A host whose counter goes up by the given steps, one a look."""

    def __init__(self, steps):
        self.steps, self.count = list(steps), 0

    def qmp(self, command):
        assert command == "query-replay"
        self.count += self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return {"icount": self.count}


class Lab:
    def __init__(self, **hosts):
        self.hosts = hosts


def test_a_measurement_waits_until_both_hosts_rest(monkeypatch):
    monkeypatch.setattr(meter, "LOOK_SECONDS", 0.001)
    busy = 10 ** 9
    found = meter.Meter(Lab(a=Counted([busy] * 3 + [0]), b=Counted([busy] * 5 + [0])))
    assert found.rest().counts == {"a": 3 * busy, "b": 5 * busy}


def test_hosts_that_never_rest_are_an_error(monkeypatch):
    monkeypatch.setattr(meter, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(meter, "REST_TIMEOUT", 0.05)
    with pytest.raises(LabError, match="rest"):
        meter.Meter(Lab(a=Counted([10 ** 9]))).rest()


def test_a_look_that_was_disturbed_is_no_part_of_the_own_rate(monkeypatch):
    monkeypatch.setattr(meter, "LOOK_SECONDS", 0.001)
    found = meter.Meter(Lab(a=Counted([0, 0, 10 ** 6, 0, 0, 0])))
    found.learn_own_rate(looks=2, seconds=0.001)
    assert found.own_rate == {"a": 0}


# ---- the profile

REPORT = """\
# Overhead       Samples  Command   Shared Object      Symbol
    60.00%          600  swapper   [kernel.kallsyms]  [k] pv_native_safe_halt
    20.00%          200  ruler     [kernel.kallsyms]  [k] crc32_body
    10.00%          100  swapper   [kernel.kallsyms]  [k] crc32_body
    10.00%          100  ruler     ruler              [.] wait_some
    10.00%          100  pgrep     [kernel.kallsyms]  [k] num_to_str
"""


def test_idle_samples_are_no_part_of_a_profile():
    assert profile.shares(REPORT) == [(0.75, "crc32_body", "[kernel.kallsyms]"),
                                      (0.25, "wait_some", "ruler")]
