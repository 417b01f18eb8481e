"""A run: all samples of all workloads, in interleaved rounds, each one kept at once. What has
been measured is not measured again."""

import dataclasses
import math
import statistics

from harness import floor, rounds, sample, servers
from harness.progress import short

import workloads
from options import AGAIN, FLOOR, OURS

CAPACITY_SHARE = 0.7
PROBES = 3  # samples a subject, when the open loop's capacity has not been measured
WARM_SLICES_MAX = 3
PREPARING_S = {"mixed": 3, "100m": 1, "cold": 3, "million": 60, "openloop-mixed": 3}


class Campaign:
    def __init__(self, plan, setting, site, journal, progress=None):
        self.plan, self.setting, self.site, self.journal = plan, setting, site, journal
        self.progress = progress
        self.done = {key_of(record) for record in journal.samples()}

    def generators_of(self, workload):
        """wrk takes part in some workloads only; ringload in all, unless it was not asked for."""
        return [name for name in self.plan.generators if name == "ringload" or workload.wrk]

    def subjects_of(self, workload):
        return [name for name in self.plan.subjects if name != FLOOR or workload.floor]

    def _in_turn(self, workload):
        """The control last: as far from ringserve as any peer is, so that it meets the same drift."""
        return sorted(self.subjects_of(workload), key=lambda name: name == AGAIN)

    def turns(self, workload):
        """(round, generator, subject) that are still to be measured, in their order."""
        contenders = [(generator, subject) for generator in self.generators_of(workload)
                      for subject in self._in_turn(workload)]
        return [(number, *contender)
                for number, contender in rounds.turns(contenders, self.plan.pairs)
                if (workload.name, contender[0], number, contender[1]) not in self.done]

    def step_s(self, workload, generator):
        """What one sample is expected to take."""
        return (seconds_of(self.plan, workload, generator) + self.warm_s(workload)
                + workload.beside_s)

    def warm_s(self, workload):
        """In proportion to what is measured, so that --quick is quick."""
        return min(workload.warm_s, WARM_SLICES_MAX * self.plan.seconds)

    def planned(self):
        """(number of samples still to be measured, what they are expected to take, in seconds)"""
        steps, total_s = 0, 0
        for name in self.plan.workloads:
            workload = workloads.ALL[name]
            turns = self.turns(workload)
            steps += len(turns)
            total_s += sum(self.step_s(workload, generator) for _, generator, _ in turns)
        return steps, total_s

    def unfinished(self):
        """The workloads of which samples are still to be measured."""
        return [name for name in self.plan.workloads if self.turns(workloads.ALL[name])]

    def preparing_s(self):
        return sum(PREPARING_S.get(name, 0) for name in self.plan.workloads)

    def run(self):
        """A peer of which a sample failed twice is left out of that workload; where it is
        ringserve, or there are no files to serve, all are. Returns how often that was so."""
        self.left_out = 0
        for name in self.plan.workloads:
            workload = workloads.ALL[name]
            turns = self.turns(workload)
            if not turns:
                continue
            self.progress.note(f"{name}: {workload.title}")
            try:
                self._run_workload(workload, turns)
            except (sample.SampleFailed, OSError) as error:
                self._leave_out(name, "all", error)
        return self.left_out

    def _leave_out(self, workload, subject, error):
        self.left_out += 1
        self.progress.note(f"{workload}, {subject}: left out: {error}")
        self.journal.add({"workload": workload, "subject": subject, "left_out": str(error)})

    def _run_workload(self, workload, turns):
        load = dataclasses.replace(workload.load(self.site), warm_s=self.warm_s(workload))
        self.site.age()
        if workload.capacity_of:
            load = dataclasses.replace(load, rate_per_s=self._rate(workload))
        subjects = {name: self._subject(name, load) for name in self.subjects_of(workload)}
        self.progress.resume()
        absent = set()
        for number, generator, subject in turns:
            if subject in absent:
                continue
            load = dataclasses.replace(load, generator=generator,
                                       seconds=seconds_of(self.plan, workload, generator))
            try:
                measured = self._measure(workload, subjects[subject], load)
            except sample.SampleFailed as error:
                if subject in (OURS, AGAIN):
                    raise
                absent.add(subject)
                self._leave_out(workload.name, subject, error)
                continue
            record = {"workload": workload.name, "generator": generator, "round": number,
                      "subject": subject, **measured}
            keep = workloads.metrics_of(workload, generator)
            record["metrics"] = {metric: measured["metrics"][metric] for metric in keep
                                 if metric in measured["metrics"]}
            self.journal.add(record)
            self.done.add(key_of(record))
            self.progress.step(self.step_s(workload, generator), line_for(record, self.plan.pairs))

    def _subject(self, name, load):
        binary = self.setting.build / "ringserve"
        if name in (OURS, AGAIN):
            return servers.ringserve(binary, name=name)
        return floor.subject(self.setting, load) if name == FLOOR else servers.peer(name)

    def _measure(self, workload, subject, load):
        """A sample that failed is told and kept, and tried once more."""
        try:
            return workload.measure(self.setting, subject, load)
        except sample.SampleFailed as error:
            self.progress.note(f"{workload.name}, {subject.name}: a sample failed and is repeated: "
                               f"{error}")
            self.journal.add({"failed": str(error), "workload": workload.name,
                              "generator": load.generator, "subject": subject.name})
        return workload.measure(self.setting, subject, load)

    def _rate(self, workload):
        """Requests per second of an open loop, the same when the run is resumed."""
        known = self.journal.rates().get(workload.name)
        if not known:
            capacities = self._capacities(workloads.ALL[workload.capacity_of])
            slowest = min(capacities, key=capacities.get)
            known = {"rate_of": workload.name, "slowest": slowest,
                     "rate_per_s": round(CAPACITY_SHARE * capacities[slowest])}
            self.journal.add(known)
        self.progress.note(f"  {known['rate_per_s']:,} requests/s, {CAPACITY_SHARE:.0%} of what "
                           f"{known['slowest']} can do")
        return known["rate_per_s"]

    def _capacities(self, workload):
        """{subject: requests per second, the median of the closed loop's samples}"""
        found = {}
        for record in self.journal.samples():
            if (record["workload"], record["generator"]) == (workload.name, "ringload"):
                found.setdefault(record["subject"], []).append(
                    record["metrics"]["requests_per_s"])
        names = [name for name in self.plan.subjects if name not in (FLOOR, AGAIN)]
        load = dataclasses.replace(workload.load(self.site), warm_s=self.warm_s(workload),
                                   seconds=seconds_of(self.plan, workload, "ringload"))
        for name in names:
            if name not in found:
                subject = self._subject(name, load)
                found[name] = [self._measure(workload, subject, load)["metrics"]["requests_per_s"]
                               for _ in range(PROBES)]
        return {name: statistics.median(found[name]) for name in names}


def seconds_of(plan, workload, generator):
    seconds = plan.seconds * workload.slices
    return math.ceil(seconds) if generator == "wrk" else seconds


def key_of(record):
    return tuple(record[key] for key in ("workload", "generator", "round", "subject"))


def line_for(record, pairs):
    name = record["workload"]
    if record["generator"] != "ringload":
        name += f" ({record['generator']})"
    figures = ", ".join(f"{short(value)} {metric}"
                        for metric, value in list(record["metrics"].items())[:2])
    return f"{name} {record['round'] + 1}/{pairs} {record['subject']}: {figures}"
