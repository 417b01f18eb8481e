"""CAPACITY.md and the ports of kubernetes/README.md: every table is what deploy/capacity computes,
and what it computes is right where it can be known otherwise."""

import importlib.machinery
import importlib.util
import re
import unittest

import deploying
from deploying import DEPLOY, TOP


def load():
    loader = importlib.machinery.SourceFileLoader("capacity", str(DEPLOY / "capacity"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("capacity", loader))
    loader.exec_module(module)
    return module


capacity = load()


class TablesTest(unittest.TestCase):
    def setUp(self):
        self.facts = capacity.measured()
        self.tables = {name: make(self.facts) for name, make in capacity.TABLES.items()}

    def test_pages_have_the_tables_that_are_computed(self):
        marks = []
        for page in capacity.PAGES:
            text = page.read_text()
            marks += re.findall(r"<!-- table: (\w+) -->", text)
            self.assertEqual(capacity.fill(text, self.tables), text,
                             f"{page}: deploy/capacity --write")
        self.assertEqual(sorted(marks), sorted(capacity.TABLES))

    def test_a_table_that_somebody_changed_is_noticed(self):
        text = (DEPLOY / "CAPACITY.md").read_text()
        changed = text.replace("| 1 Gbit/s, `small` |", "| 1 Gbit/s, `large` |")
        self.assertNotEqual(changed, text)
        self.assertEqual(capacity.fill(changed, self.tables), text)

    def test_what_was_measured_is_what_the_benchmark_reported(self):
        report = (capacity.RESULTS.parent / "table.md").read_text()
        for workload in ("small", "100k", "1m", "connection"):
            shown = re.search(rf"(?m)^\| {workload} \| ([\d.]+) µs/req", report)[1]
            self.assertEqual(capacity.short(self.facts[workload, "cpu_us_per_request"]), shown)
        idle = re.search(r"(?m)^\| idle \| ([\d.]+) B/conn", report)[1]
        self.assertEqual(capacity.short(self.facts["idle", "rss_bytes_per_connection"]), idle)

    def test_what_the_kernel_takes_is_what_the_notes_measured(self):
        note = (TOP / "kernel-notes" / "06-time-wait.md").read_text()
        self.assertIn(f"tw_sock_TCP {capacity.TIME_WAIT_BYTES} bytes, "
                      f"TCP {capacity.SOCKET_BYTES} bytes", note)

    def test_a_line_carries_what_ethernet_leaves(self):
        # 10GBASE with an MTU of 1500 is 9.41 Gbit/s of TCP payload: what iperf shows.
        self.assertAlmostEqual(capacity.goodput(10) * 8 / 1e9, 9.41, delta=0.01)
        self.assertAlmostEqual(capacity.PCIE_X16_GB["4.0"], 31.5, delta=0.1)

    def test_the_chain_from_a_request_to_cpus(self):
        # 1 Gbit/s of 100 KiB: 117.7 MB/s, 1146 requests of 7.39 us, times 4 / 0.5.
        self.assertAlmostEqual(capacity.cpus(1, "100k", {("100k", "cpu_us_per_request"): 7.39}),
                               117.69e6 / 102654 * 7.39e-6 * 4 / 0.5, places=4)


if __name__ == "__main__":
    deploying.main()
