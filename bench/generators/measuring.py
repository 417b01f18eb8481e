"""Rounds of contenders that take turns, ratios, and figures that are held against a goal."""

import dataclasses
import statistics

from harness import paired, rounds
from harness.noise import Watch
from harness.progress import say, short


YES, NO, CANNOT_TELL = "yes", "NO", "cannot tell"


@dataclasses.dataclass
class Figure:
    """A goal of the project: `values`, one a round, against `goal`. A ratio has the `pairs` it was
    taken from, and is reached or not with its whole interval, as in bench/versus; of anything else
    the median counts, as it may be 0."""
    what: str
    at_most: bool
    goal: float
    values: list
    unit: str = "×"
    pairs: list = None
    measured: float = None
    low: float = None  # of the interval
    high: float = None

    def __post_init__(self):
        if self.measured is None:
            self.measured = statistics.median(self.values)

    def reached(self):
        if self.pairs is None:
            low = high = self.measured
        elif self.high is None:
            return CANNOT_TELL  # too few rounds
        else:
            low, high = self.low, self.high
        if self.at_most:
            return YES if high <= self.goal else NO if low > self.goal else CANNOT_TELL
        return YES if low >= self.goal else NO if high < self.goal else CANNOT_TELL

    def extent(self):
        if self.high is not None:
            return f"[{self.low:.2f}, {self.high:.2f}]"
        return f"{short(min(self.values))} – {short(max(self.values))}"


def ratio_figure(what, at_most, goal, pairs):
    return Figure(what, at_most, goal, [mine / theirs for mine, theirs in pairs], pairs=pairs)


def find_intervals(build, figures):
    """Of the ratios. Throws StatisticsFailed."""
    asked = [figure for figure in figures if figure.pairs is not None]
    answers = paired.compare_all(build, [{"pairs": figure.pairs} for figure in asked])
    for figure, answer in zip(asked, answers):
        figure.measured, figure.low, figure.high = (answer[key] for key in ("ratio", "low", "high"))


class Noise:
    """The worst share of a CPU that others used while something was measured."""

    def __init__(self):
        self.worst_share = 0.0

    def watch(self, server, action):
        with Watch(server) as watch:
            result = action()
        self.worst_share = max(self.worst_share, watch.share)
        return result


def alternate(contenders, count, measure, noise):
    """{name: [sample, ...]}, in rounds whose order alternates."""
    samples = {contender.name: [] for contender in contenders}
    for number, contender in rounds.turns(contenders, count):
        sample = noise.watch(contender, lambda: measure(contender))
        samples[contender.name].append(sample)
        say_sample(number, count, contender.name, sample)
    return samples


def say_sample(number, count, name, sample):
    values = ", ".join(f"{short(value)} {unit}" for unit, value in sample.items())
    say(f"  round {number + 1}/{count}  {name:<18} {values}")


def pairs(samples, unit, ours, other):
    """Ours and the other's, round by round."""
    return [[mine[unit], theirs[unit]] for mine, theirs in zip(samples[ours], samples[other])]


def print_figures(figures):
    print("\nIn brackets: the 95 % interval. Without: the smallest and the largest of the rounds.")
    print(f"{'figure':<60}{'goal':>12}{'measured':>12}{'':>20}  reached")
    for figure in figures:
        goal = f"{'≤' if figure.at_most else '≥'} {figure.goal:g}"
        print(f"{figure.what + ' (' + figure.unit.strip() + ')':<60}{goal:>12}"
              f"{short(figure.measured):>12}{figure.extent():>20}  {figure.reached()}")
