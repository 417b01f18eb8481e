"""How far a long measurement is, on stderr: one line that is written over on a terminal, a line
for each sample otherwise."""

import shutil
import sys
import time


def say(text):
    print(text, file=sys.stderr, flush=True)


def duration_text(seconds):
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def short(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


class Progress:
    """`planned_s` is what all steps are expected to take; what the first ones really took
    corrects it."""

    def __init__(self, planned_s, steps, stream=sys.stderr):
        self.planned_s, self.steps, self.stream = planned_s, steps, stream
        self.done, self.done_planned_s, self.spent_s = 0, 0.0, 0.0
        self.resume()
        self.on_terminal = stream.isatty()
        self.line_open = False

    def remaining_s(self):
        left_s = self.planned_s - self.done_planned_s
        if self.done_planned_s <= 0:
            return left_s
        return left_s * self.spent_s / self.done_planned_s

    def resume(self):
        """The next step begins now: what was done since the last one is no part of the plan."""
        self.resumed_at = time.monotonic()

    def step(self, planned_s, text):
        """One more step is done."""
        self.done += 1
        self.spent_s += time.monotonic() - self.resumed_at
        self.resume()
        self.done_planned_s += planned_s
        self._show(f"[{self.done}/{self.steps}, {duration_text(self.remaining_s())} left] {text}")

    def note(self, text):
        """A line that stays."""
        self.end()
        print(text, file=self.stream, flush=True)

    def end(self):
        if self.line_open:
            print(file=self.stream, flush=True)
        self.line_open = False

    def _show(self, text):
        if not self.on_terminal:
            print(text, file=self.stream, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        self.stream.write("\r\033[K" + text[:width])
        self.stream.flush()
        self.line_open = True
