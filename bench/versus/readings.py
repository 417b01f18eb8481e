"""What can be asked of a result (result.json of bench/versus/run): who took part, which values
were measured in which round, which comparison was made.

What is not there is an empty answer, never an error: peers may be missing, workloads may not
have been run, a run may have been interrupted.
"""

import math
import statistics

OURS, AGAIN, FLOOR = "ringserve", "ringserve-again", "floor"
KNOWN_PEERS = ("nginx", "h2o", "lighttpd", "caddy")
SECOND_GENERATOR = "wrk"


def is_number(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and math.isfinite(value))


class Readings:
    def __init__(self, result):
        self.result = result
        self.workloads = list(result.get("workloads") or [])
        self.subjects = list(result.get("subjects") or [])
        self.peers = [name for name in self.subjects if name not in (OURS, AGAIN, FLOOR)]
        self.absent_peers = [name for name in KNOWN_PEERS if name not in self.subjects]
        self._values = {}
        for sample in result.get("samples") or []:
            for metric, value in (sample.get("metrics") or {}).items():
                if is_number(value):
                    key = (sample["workload"], sample["generator"], sample["subject"], metric)
                    self._values.setdefault(key, {})[sample["round"]] = value
        self._comparisons = {
            (entry["workload"], entry["generator"], entry["metric"], entry["to"]): entry
            for entry in result.get("comparisons") or [] if entry.get("of", OURS) == OURS}

    def by_round(self, workload, generator, subject, metric):
        """{round: value}"""
        return self._values.get((workload, generator, subject, metric), {})

    def values(self, workload, generator, subject, metric):
        return list(self.by_round(workload, generator, subject, metric).values())

    def median(self, workload, generator, subject, metric):
        values = self.values(workload, generator, subject, metric)
        return statistics.median(values) if values else None

    def metrics_of(self, workload):
        """The workload's metrics that have a value, its main one first."""
        listed = [workload["main_metric"], *(workload.get("metrics") or [])]
        return [name for name in dict.fromkeys(listed)
                if any(self.values(workload["name"], workload["generator"], subject, name)
                       for subject in self.subjects)]

    def comparison(self, workload, generator, metric, to):
        return self._comparisons.get((workload, generator, metric, to))

    def comparisons(self):
        return list(self._comparisons.values())

    def entry(self, name, generator=None):
        """The workload of that name: of that generator, else of whichever is our own."""
        for workload in self.workloads:
            wanted = (workload["generator"] == generator if generator
                      else workload["generator"] != SECOND_GENERATOR)
            if workload["name"] == name and wanted:
                return workload
        return None

    def label(self, workload):
        """The name, with the second generator if it is its."""
        name, generator = workload["name"], workload["generator"]
        return f"{name}/{generator}" if generator == SECOND_GENERATOR else name


def quartiles(values):
    """(first quartile, median, third quartile); one value is all three."""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))
