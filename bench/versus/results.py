"""From samples to result.json: the comparisons, the A/A controls, and whether the machine was
quiet enough to believe them."""

import statistics

from harness import noise, paired, process, rounds

import goals
import workloads
from campaign import seconds_of
from options import AGAIN, OURS

FORMAT = "ringserve-versus 1"
FAMILY_ERROR = 0.05  # the chance that any of all controls of a sound run does not contain 1
CONTROL_METRIC = "cpu_us_per_request"
ROUNDS_TELLING = 6  # fewer have no interval (common/measure/paired.h)
WITHOUT_NOISE = ("rss_bytes_per_connection",)  # a page more or less says nothing of the machine


def tells_something(campaign):
    """Whether of any workload there are rounds enough for an interval."""
    values = Values(campaign.journal.samples())
    return any(values.rounds_of(name, generator) >= ROUNDS_TELLING
               for name in campaign.plan.workloads
               for generator in campaign.generators_of(workloads.ALL[name]))


def assemble(campaign, finished_at, partial=False):
    """The dict that result.json holds; its schema is in bench/README.md."""
    plan, build, header = campaign.plan, campaign.setting.build, campaign.journal.header
    values = Values(campaign.journal.samples())
    listed = [entry_of(campaign, workloads.ALL[name], generator, values)
              for name in plan.workloads
              for generator in campaign.generators_of(workloads.ALL[name])]
    controls = control_results(build, listed, values)
    noisy = [control for control in controls if control["contains_one"] is False]
    result = {
        "format": FORMAT, "started_at": header["started_at"], "finished_at": finished_at,
        "command": plan.command(), "options": header["plan"], "machine": header["machine"],
        "versions": header["versions"], "commit": header["commit"],
        "subjects": list(plan.subjects), "workloads": listed,
        "samples": campaign.journal.samples(),
        "comparisons": comparisons(build, plan, listed, values), "controls": controls,
        "noisy": bool(noisy), "reasons": reasons(campaign, controls, noisy), "partial": partial,
    }
    if partial:
        result["reasons"].insert(0, missing_part(campaign))
    result["goals"] = goals.evaluate(
        result, lambda pairs, confidence=0.95: paired.compare(build, pairs, confidence))
    return result


def missing_part(campaign):
    done, (left, _) = len(campaign.journal.samples()), campaign.planned()
    return f"interrupted: {done} of {done + left} samples were measured"


class Values:
    """{round: value} by workload, generator, metric and subject."""

    def __init__(self, samples):
        self.found = {}
        for record in samples:
            for metric, value in record["metrics"].items():
                key = (record["workload"], record["generator"], metric, record["subject"])
                self.found.setdefault(key, {})[record["round"]] = value

    def pairs(self, entry, metric, of, to):
        """[[a, b], ...]; none when a value is not positive: then there is no ratio."""
        key = (entry["name"], entry["generator"], metric)
        found = rounds.pairs(self.found.get((*key, of), {}), self.found.get((*key, to), {}))
        return found if all(a > 0 and b > 0 for a, b in found) else []

    def rounds_of(self, name, generator):
        return max((len(values) for key, values in self.found.items()
                    if key[:2] == (name, generator)), default=0)


def entry_of(campaign, workload, generator, values):
    entry = {"name": workload.name, "title": workload.title, "generator": generator,
             "main_metric": workload.main_metric, "lower_is_better": workload.lower_is_better,
             "metrics": list(workloads.metrics_of(workload, generator)),
             "pairs": values.rounds_of(workload.name, generator),
             "seconds": seconds_of(campaign.plan, workload, generator)}
    rate = campaign.journal.rates().get(workload.name)
    if rate:
        entry |= {"rate_per_s": rate["rate_per_s"],
                  "title": f"{workload.title}: {rate['rate_per_s']:,}/s ({rate['slowest']})"}
    return entry


def comparisons(build, plan, listed, values):
    asked = [{"workload": entry["name"], "generator": entry["generator"], "metric": metric,
              "of": OURS, "to": to, "pairs": pairs}
             for entry in listed for metric in entry["metrics"]
             for to in plan.subjects if to != OURS
             if len(pairs := values.pairs(entry, metric, OURS, to)) > 0]
    return [{**question, **figures_of(answer)}
            for question, answer in zip(asked, answers_to(build, asked))]


def control_results(build, listed, values):
    """For every workload: do two processes of one binary look alike? All together are allowed
    one false alarm in twenty runs, so each gets its share of that (Bonferroni)."""
    asked = [{"workload": entry["name"], "generator": entry["generator"], "metric": metric,
              "pairs": pairs}
             for entry in listed
             for metric in dict.fromkeys((entry["main_metric"], CONTROL_METRIC))
             if metric not in WITHOUT_NOISE
             and len(pairs := values.pairs(entry, metric, AGAIN, OURS)) > 1]
    confidence = 1 - FAMILY_ERROR / max(1, len(asked))
    answers = answers_to(build, asked, confidence)
    return [{**question, **figures_of(answer), "confidence": confidence,
             "contains_one": paired.contains_one(answer)}
            for question, answer in zip(asked, answers)]


def answers_to(build, asked, confidence=0.95):
    return paired.compare_all(build, [{"pairs": question["pairs"]} for question in asked],
                              confidence)


def figures_of(answer):
    return {key: answer[key] for key in ("pairs", "ratio", "low", "high", "verdict")}


def reasons(campaign, controls, noisy):
    """What a reader has to know before believing the figures."""
    found = [f"{control['workload']} ({control['generator']}): the control, ringserve against "
             f"itself, has {control['metric']} × {control['ratio']:.3f} "
             f"[{control['low']:.3f}, {control['high']:.3f}]" for control in noisy]
    if not controls:
        found.append("there was no A/A control: it needs two rounds")
    elif any(control["contains_one"] is None for control in controls):
        found.append("too few rounds: fewer than 6 tell nothing, and the control cannot fail")
    elif campaign.plan.pairs < (needed := paired.rounds_needed(len(controls), FAMILY_ERROR)):
        found.append(f"{len(controls)} controls want {needed} rounds: with {campaign.plan.pairs} "
                     "a sound run is called noisy more often than once in twenty")
    if process.cpus_share_a_core():
        found.append("the CPUs of server and client are two threads of one core: what one does "
                     "slows the other")
    found += [f"{record['workload']}, {record.get('subject', 'all')}: left out: {record['left_out']}"
              for record in campaign.journal.left_out()]
    shares = [record["others_cpu_share"] for record in campaign.journal.samples()]
    if shares and statistics.median(shares) > noise.WARNING_SHARE:
        found.append(f"others used {statistics.median(shares):.0%} of a CPU in half of the samples "
                     f"(at most {max(shares):.0%})")
    found += [f"{record['workload']}, {record['subject']}: a sample failed and was repeated: "
              f"{record['failed']}" for record in campaign.journal.failures()]
    return found
