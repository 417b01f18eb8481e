"""The dashboard and the alerts: every metric and label that they ask for is one that the real
server serves, and Prometheus' own tool understands every expression."""

import json
import re
import unittest

import deploying
from deploying import DEPLOY, HERE, eventually, find, get, metrics_of, output_of

try:
    import yaml
except ImportError:
    yaml = None

GRAFANA = DEPLOY / "grafana"
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*"}


def dashboard():
    return json.loads((GRAFANA / "dashboard.json").read_text())


def queries_of_the_dashboard():
    found = {}
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def rules():
    groups = yaml.safe_load((GRAFANA / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics_in(expression):
    """(name, {label: (operator, value)}) of each selector of ours."""
    for name, labels in re.findall(r"\b(ringserve_\w+)(?:\{([^}]*)\})?", expression):
        yield name, {label: (operator, value) for label, operator, value in
                     re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', labels)}


class ServedTest(deploying.support.ClientTest):
    """Against a server that has answered with 200 and 404."""

    def setUp(self):
        super().setUp()
        self.fill("page.txt", 1000)
        server = self.serve("--admin", "127.0.0.1:0")
        admin = server.process.stdout.readline().split()[1].decode()
        get(server.url("/page.txt"))
        self.assertRaises(OSError, get, server.url("/nothing"))  # 404 is an error of urllib's
        # Counted when the reply has left, which may be after it was read.
        self.families = eventually("both statuses are counted", lambda: self.with_both(admin))

    @staticmethod
    def with_both(admin):
        families = metrics_of(admin)
        counted = families["ringserve_requests_total"]
        return families if {'{status="200"}', '{status="404"}'} <= set(counted) else None

    def assert_served(self, where, expression):
        found = list(metrics_in(expression))
        for name, wanted in found:
            self.assertIn(name, self.families, where)
            samples = self.families[name]
            served = {label for labels in samples for label in re.findall(r'(\w+)="', labels)}
            for label, (operator, value) in wanted.items():
                if label in ("instance", "job"):
                    continue  # of Prometheus
                self.assertIn(label, served, (where, name))
                if operator == "=":
                    self.assertTrue(any(f'{label}="{value}"' in labels for labels in samples),
                                    (where, name, label, value))
        return {name for name, _ in found}

    def test_every_query_of_the_dashboard_asks_for_what_is_served(self):
        shown = set()
        for where, expression in queries_of_the_dashboard().items():
            shown |= self.assert_served(where, expression)
        # And nothing that is served is left out.
        self.assertEqual(set(self.families) - shown, set())

    @unittest.skipIf(yaml is None, "python3-yaml is not installed")
    def test_every_alert_asks_for_what_is_served(self):
        for rule in rules():
            self.assert_served(rule["alert"], rule["expr"])

    def test_labels_that_queries_group_by_are_served(self):
        for where, expression in queries_of_the_dashboard().items():
            for label, metric in re.findall(r"by \((\w+)\) \(rate\((ringserve_\w+)", expression):
                self.assertTrue(label == "instance" or
                                any(f'{label}="' in labels for labels in self.families[metric]),
                                (where, label))


class FormTest(unittest.TestCase):
    def test_the_dashboard_has_no_panel_over_another_and_each_says_what_it_shows(self):
        panels = dashboard()["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        cells = [(x, y) for panel in panels for spot in [panel["gridPos"]]
                 for x in range(spot["x"], spot["x"] + spot["w"])
                 for y in range(spot["y"], spot["y"] + spot["h"])]
        self.assertEqual(len(set(cells)), len(cells))
        self.assertLess(max(x for x, _ in cells), 24)
        for panel in panels:
            self.assertTrue(panel["description"], panel["title"])

    @unittest.skipIf(yaml is None, "python3-yaml is not installed")
    def test_every_alert_has_a_reason_and_a_severity(self):
        for rule in rules():
            self.assertGreater(len(rule["annotations"]["reason"]), 40, rule["alert"])
            self.assertIn(rule["labels"]["severity"], ("page", "warn"))


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class PrometheusTest(deploying.support.ClientTest):
    def setUp(self):
        super().setUp()
        self.promtool = find("promtool")

    def write_yaml(self, name, content):
        path = self.directory / name
        path.write_text(yaml.safe_dump(content))
        return path

    def test_it_understands_the_alerts_and_the_configuration(self):
        output_of([self.promtool, "check", "rules", GRAFANA / "alerts.yml"])
        for file in (DEPLOY / "docker" / "prometheus" / "prometheus.yml",
                     GRAFANA / "prometheus.yml"):
            moved = self.directory / "prometheus.yml"
            text, rules_moved = re.subn(r"/etc/prometheus/\S*alerts\.yml",
                                        str(GRAFANA / "alerts.yml"), file.read_text())
            self.assertEqual(rules_moved, 1)
            moved.write_text(text)
            output_of([self.promtool, "check", "config", moved])

    def test_it_understands_every_query_of_the_dashboard(self):
        recorded = [{"record": f"query:{number}", "expr": expression} for number, expression in
                    enumerate(queries_of_the_dashboard().values())]
        output_of([self.promtool, "check", "rules", self.write_yaml(
            "queries.yml", {"groups": [{"name": "queries", "rules": recorded}]})])

    def test_alerts_are_raised_by_what_they_are_for_and_by_nothing_else(self):
        content = yaml.safe_load((HERE / "alerts.yml").read_text())
        # What they say is not repeated in the test: only that they come.
        bare = [{**rule, "annotations": {}} for rule in rules()]
        content["rule_files"] = [str(self.write_yaml(
            "bare.yml", {"groups": [{"name": "bare", "rules": bare}]}))]
        output_of([self.promtool, "test", "rules", self.write_yaml("tests.yml", content)])


if __name__ == "__main__":
    deploying.main()
