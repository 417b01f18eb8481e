#!/usr/bin/env python3
"""The report of bench/versus and its goals, on results that are made up. Nothing is measured and
no number of a real run is asserted."""

import copy
import html.parser
import io
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

import synthetic_result  # noqa: E402 (brings bench/ and bench/versus into the path)

import goals  # noqa: E402
import page  # noqa: E402
import report  # noqa: E402
import summary  # noqa: E402
import units  # noqa: E402
from harness import plots  # noqa: E402
from readings import Readings  # noqa: E402

VOID = {"meta", "br", "hr", "img", "input", "link"}


def small_result(values, workload="small", metric="cpu_us_per_request"):
    """One workload with these values, {subject: [value of each round]}."""
    samples = [{"workload": workload, "generator": "ringload", "round": number,
                "subject": subject, "metrics": {metric: value}}
               for subject, found in values.items() for number, value in enumerate(found)]
    entry = {"name": workload, "title": workload, "generator": "ringload", "main_metric": metric,
             "metrics": [metric]}
    return {"subjects": list(values), "workloads": [entry], "samples": samples}


def goal_of(result, workload, against):
    evaluated = goals.evaluate(result, synthetic_result.median_and_extent)
    return next(goal for goal in evaluated
                if goal["workload"] == workload and goal["against"] == against)


def comparison(low, high, metric="cpu_us_per_request", to="nginx"):
    return {"workload": "small", "generator": "ringload", "metric": metric, "of": "ringserve",
            "to": to, "pairs": 10, "ratio": (low + (high or low)) / 2, "low": low, "high": high,
            "verdict": "unclear"}


class Page(html.parser.HTMLParser):
    """Fails on what a browser would have to guess: tags not closed, names given twice."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.ids, self.links = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes
                       if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing at {self.getpos()}")


class GoalsTest(unittest.TestCase):
    def test_a_goal_is_reached_when_the_whole_interval_is_on_the_right_side(self):
        for ours, reached in (([5.0, 6.0], goals.YES), ([7.0, 8.0], goals.NO),
                              ([6.0, 7.0], goals.CANNOT_TELL)):
            with self.subTest(ours=ours):  # the limit is 0.62
                result = small_result({"ringserve": ours, "nginx": [10.0, 10.0]})
                self.assertEqual(goal_of(result, "small", "nginx")["reached"], reached)

    def test_a_goal_of_at_least_looks_at_the_other_side(self):
        for ours, reached in (([7.0, 7.1], goals.YES), ([5.0, 5.5], goals.NO),
                              ([5.5, 7.0], goals.CANNOT_TELL)):
            with self.subTest(ours=ours):  # the limit is 6
                result = small_result({"ringserve": ours, "nginx": [1.0, 1.0]}, "pipelined",
                                      "requests_per_s")
                self.assertEqual(goal_of(result, "pipelined", "best peer")["reached"], reached)

    def test_the_best_peer_has_the_best_median_not_the_luckiest_round(self):
        result = small_result({"ringserve": [5.0, 5.0, 5.0], "nginx": [10.0, 10.0, 1.0],
                               "h2o": [8.0, 8.0, 8.0]})
        goal = goal_of(result, "small", "best peer")
        self.assertEqual(goal["to"], "h2o")
        self.assertEqual(goal["high"], 5.0 / 8.0)

    def test_the_best_peer_of_a_rate_has_the_highest(self):
        result = small_result({"ringserve": [7.0, 7.0], "nginx": [1.0, 1.0], "h2o": [2.0, 2.0]},
                              "pipelined", "requests_per_s")
        self.assertEqual(goal_of(result, "pipelined", "best peer")["to"], "h2o")

    def test_the_floor_and_the_control_are_no_peers(self):
        result = small_result({"ringserve": [5.0, 5.0], "ringserve-again": [4.0, 4.0],
                               "floor": [3.0, 3.0], "nginx": [9.0, 9.0]})
        self.assertEqual(goal_of(result, "small", "best peer")["to"], "nginx")

    def test_a_goal_against_every_peer_shows_the_worst(self):
        values = {"ringserve": [10.0, 10.0], "nginx": [20.0, 20.0], "h2o": [9.0, 9.0],
                  "caddy": [10.0, 11.0]}
        goal = goal_of(small_result(values, "openloop", "p99_us"), "openloop", "every peer")
        self.assertEqual((goal["to"], goal["reached"]), ("h2o", goals.NO))
        del values["h2o"]
        goal = goal_of(small_result(values, "openloop", "p99_us"), "openloop", "every peer")
        self.assertEqual((goal["to"], goal["reached"]), ("caddy", goals.YES))

    def test_an_absolute_goal_gives_the_value_not_a_ratio(self):
        result = small_result({"ringserve": [200.0, 220.0, 240.0]}, "idle",
                              "rss_bytes_per_connection")
        goal = goal_of(result, "idle", "absolute")
        self.assertAlmostEqual(goal["measured"], 220)
        self.assertAlmostEqual(goal["high"], 240)
        self.assertEqual(goal["reached"], goals.YES)
        row = next(row for row in summary.goals_table({"goals": [goal]}).rows)
        self.assertEqual([cell.text for cell in row[1:4]],
                         ["≤ 256 B/conn", "220 B/conn", "[200, 240]"])

    def test_memory_that_does_not_grow_reaches_its_goal(self):
        for values, measured, high in (([0.0, 0.0], 0, 0), ([-5.0, 0.0, -1.0], 0, 0),
                                       ([-5.0, 0.0, 40.0], 0, 40)):
            with self.subTest(values=values):
                result = small_result({"ringserve": values}, "idle", "rss_bytes_per_connection")
                goal = goal_of(result, "idle", "absolute")
                self.assertEqual((goal["measured"], goal["reached"], goal["remark"]),
                                 (measured, goals.YES, ""))
                self.assertAlmostEqual(goal["high"], high)
                self.assertIn("0.00 B/conn", summary.goals_table({"goals": [goal]}).rows[0][2].text)
                json.dumps(goal)

    def test_workloads_and_generators_are_held_against_each_other(self):
        result = synthetic_result.make(pairs=4)
        by = {goal["against"]: goal for goal in result["goals"]}
        self.assertEqual(by["workload small"]["pairs"], 4)
        self.assertEqual(by["generator wrk"]["pairs"], 4)
        self.assertEqual(by["generator wrk"]["to"], "wrk")

    def test_what_was_not_measured_says_why(self):
        result = small_result({"ringserve": [5.0, 5.0]})
        for workload, against, why in (("mixed", "best peer", "mixed was not run"),
                                       ("small", "best peer", "no peer was measured"),
                                       ("small", "nginx", "no server CPU per request of nginx"),
                                       ("small", "generator wrk", "small by wrk was not run"),
                                       ("c4096", "workload small", "c4096 was not run")):
            with self.subTest(workload=workload, against=against):
                if against.startswith("generator"):  # needs a value of ours to come that far
                    result["samples"][0]["metrics"]["client_cpu_us_per_request"] = 1.0
                goal = goal_of(result, workload, against)
                self.assertEqual(goal["reached"], goals.NOT_MEASURED)
                self.assertIn(why, goal["remark"])

    def test_too_little_to_tell_says_why(self):
        for values, why in (([5.0], "needs two"), ([5.0, 0.0], "above 0")):
            with self.subTest(values=values):
                result = small_result({"ringserve": values, "nginx": [10.0, 10.0]})
                goal = goal_of(result, "small", "nginx")
                self.assertEqual(goal["reached"], goals.CANNOT_TELL)
                self.assertIn(why, goal["remark"])

    def test_an_interval_without_an_end_tells_the_point_only(self):
        result = small_result({"ringserve": [5.0, 5.0], "nginx": [10.0, 10.0]})
        endless = {"ratio": 0.5, "low": 0, "high": None, "verdict": "unclear"}
        goal = goals.evaluate(result, lambda pairs, confidence=0.95: endless)[1]
        self.assertEqual((goal["measured"], goal["reached"]), (0.5, goals.CANNOT_TELL))
        self.assertIn("too few", goal["remark"])

    def test_every_goal_is_answered_by_a_whole_run(self):
        result = synthetic_result.make()
        self.assertEqual(len(result["goals"]), len(goals.GOALS))
        self.assertNotIn(goals.NOT_MEASURED, [goal["reached"] for goal in result["goals"]])


class OutcomeTest(unittest.TestCase):
    def test_the_interval_and_the_direction_of_the_metric_say_who_wins(self):
        cases = (("cpu_us_per_request", 0.8, 0.9, summary.WIN),
                 ("cpu_us_per_request", 1.1, 1.2, summary.LOSS),
                 ("cpu_us_per_request", 0.9, 1.1, summary.UNCLEAR),
                 ("cpu_us_per_request", 0.9, None, summary.UNCLEAR),
                 ("bytes_per_cpu_s", 0.8, 0.9, summary.LOSS),
                 ("requests_per_s", 1.1, 1.2, summary.WIN))
        for metric, low, high, outcome in cases:
            with self.subTest(metric=metric, low=low, high=high):
                self.assertEqual(summary.outcome_of(comparison(low, high, metric)), outcome)

    def test_a_cell_has_the_mark_the_ratio_and_the_interval(self):
        for low, high, text in ((0.8, 0.9, "✓ 0.85"), (1.1, 1.3, "✗ 1.20"),
                                (0.9, 1.1, "~ 1.00")):
            with self.subTest(text=text):
                result = small_result({"ringserve": [1.0], "nginx": [1.0]})
                result["comparisons"] = [comparison(low, high)]
                cell = summary.short_table(Readings(result)).rows[0][2]
                self.assertEqual((cell.text, cell.below), (text, f"[{low:.2f}, {high:.2f}]"))

    def test_where_a_peer_wins_a_sentence_says_so(self):
        result = small_result({"ringserve": [1.0], "nginx": [1.0], "h2o": [1.0]})
        result["comparisons"] = [comparison(1.1, 1.2, to="nginx"), comparison(0.5, 0.6, to="h2o"),
                                 comparison(1.4, 1.5, "rss_bytes", to="h2o")]
        sentences = summary.peer_wins(Readings(result))
        self.assertEqual(len(sentences), 2)
        self.assertIn("nginx wins small", sentences[0])
        self.assertIn("RSS: h2o (small)", sentences[1])

    def test_where_no_peer_wins_a_sentence_says_that_too(self):
        result = small_result({"ringserve": [1.0], "nginx": [1.0]})
        self.assertEqual(summary.peer_wins(Readings(result)), [])
        result["comparisons"] = [comparison(0.8, 0.9)]
        self.assertIn("no peer wins", summary.peer_wins(Readings(result))[0])

    def test_the_floor_is_not_beaten_or_lost_to(self):
        result = small_result({"ringserve": [1.0], "floor": [1.0]})
        result["comparisons"] = [comparison(1.1, 1.2, to="floor")]
        readings = Readings(result)
        self.assertEqual(summary.short_table(readings).rows[0][-1].text, "1.15")
        self.assertEqual(summary.peer_wins(readings), [])
        self.assertEqual(set(summary.score(readings).values()), {0})


class UnitsTest(unittest.TestCase):
    def test_three_digits_in_the_unit_that_fits(self):
        for name, value, text in (("cpu_us_per_request", 4.1234, "4.12 µs/req"),
                                  ("cpu_us_per_request", 999.7, "1.00 ms/req"),
                                  ("bytes_per_cpu_s", 11.2e9, "11.2 GB/CPU-s"),
                                  ("requests_per_s", 412345, "412 k req/s"),
                                  ("rss_bytes_per_connection", 213, "213 B/conn"),
                                  ("rss_bytes", 0, "0.00 B"), ("unheard_of", 12, "12.0")):
            with self.subTest(name=name, value=value):
                self.assertEqual(units.metric(name).text(value), text)

    def test_small_ratios_keep_their_digits(self):
        self.assertEqual([units.ratio(value) for value in (0.0123, 0.0999, 0.5, 12.34)],
                         ["0.012", "0.10", "0.50", "12.3"])


class PageTest(unittest.TestCase):
    @unittest.skipUnless(plots.available(), "gnuplot is not installed")
    def test_the_page_is_whole_and_needs_nothing_else(self):
        text = page.render(synthetic_result.make())
        parsed = Page(text)
        self.assertEqual(parsed.open, [])
        self.assertEqual(len(parsed.ids), len(set(parsed.ids)))
        self.assertNotIn("script", parsed.seen)
        self.assertEqual([link for link in parsed.links if not link.startswith("#")], [])
        self.assertNotRegex(text, r"@import|url\((?!#)")
        self.assertNotIn("drew no picture", text)
        # A ratio picture for each peer, connections, two open loops, samples of 22 workloads.
        self.assertEqual(parsed.seen.count("svg"), 4 + 1 + 2 + 22)

    def test_without_gnuplot_the_page_says_so_and_has_the_tables(self):
        with mock.patch.object(shutil, "which", return_value=None):
            text = page.render(synthetic_result.make(pairs=2))
        self.assertIn("gnuplot is not installed", text)
        self.assertNotIn("<svg", text)
        self.assertEqual(Page(text).open, [])
        self.assertIn("pipelined ×16", text)

    def test_a_picture_that_fails_leaves_its_reason(self):
        refusal = plots.NoPicture("gnuplot drew no picture: <out of ink>")
        with (mock.patch.object(plots, "available", return_value=True),
              mock.patch.object(plots, "svg", side_effect=refusal)):
            text = page.render(synthetic_result.make(pairs=2, workloads=["small"]))
        self.assertIn("&lt;out of ink&gt;", text)
        self.assertEqual(Page(text).open, [])

    def test_what_comes_from_outside_is_text(self):
        result = synthetic_result.make(pairs=2, workloads=["small"])
        hostile = "</section><script>alert(1)</script>"
        result["command"] = result["commit"] = result["versions"]["nginx"] = hostile
        result["workloads"][0]["title"] = result["machine"]["cpu_model"] = hostile
        result["reasons"] = [hostile]
        with mock.patch.object(plots, "available", return_value=False):
            parsed = Page(page.render(result))
        self.assertNotIn("script", parsed.seen)
        self.assertEqual(parsed.open, [])


class MarkdownTest(unittest.TestCase):
    def test_every_row_has_the_columns_of_its_header(self):
        text = report.markdown(synthetic_result.make(pairs=3))  # versions hold a |
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            self.assertEqual(len(widths), 1, table)

    def test_a_win_of_a_peer_is_bold_and_said_below(self):
        result = small_result({"ringserve": [1.0], "nginx": [1.0]})
        result["comparisons"] = [comparison(1.1, 1.3)]
        text = report.markdown(result)
        self.assertIn("**✗ 1.20** [1.10, 1.30]", text)
        self.assertLess(text.index("**✗ 1.20**"), text.index("nginx wins small"))

    def test_files_are_written_where_asked(self):
        with (tempfile.TemporaryDirectory() as directory,
              mock.patch.object(plots, "available", return_value=False)):
            written = report.write(synthetic_result.make(pairs=2), directory)
            self.assertEqual([path.name for path in written], ["table.md", "report.html"])
            for path in written:
                self.assertIn("log-normal", path.read_text(encoding="utf-8"))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def printed(result, columns, stream=None, **environment):
    stream = stream or io.StringIO()
    settings = {"COLUMNS": str(columns), **environment}
    with mock.patch.dict(os.environ, settings):
        if "NO_COLOR" not in environment:
            os.environ.pop("NO_COLOR", None)
        report.print_terminal(result, stream)
    return stream.getvalue()


class TerminalTest(unittest.TestCase):
    def test_the_table_fits_narrow_and_wide_terminals(self):
        result = synthetic_result.make(pairs=4)
        for columns, has_line_of_intervals in ((80, True), (200, False)):
            with self.subTest(columns=columns):
                text = printed(result, columns)
                table = text[:text.index("Numbers under")].splitlines()
                table = [line for line in table if " wins " not in line]
                self.assertLessEqual(max(map(len, table)), columns)
                self.assertEqual(bool(re.search(r"^ +\d", text, re.MULTILINE)),
                                 has_line_of_intervals)

    def test_colours_are_for_terminals_that_want_them(self):
        result = synthetic_result.make(pairs=2, workloads=["small"])
        self.assertNotIn("\033", printed(result, 100))
        self.assertIn("\033", printed(result, 100, Terminal()))
        self.assertNotIn("\033", printed(result, 100, Terminal(), NO_COLOR="1"))

    def test_a_stream_without_these_letters_gets_others(self):
        bytes_written = io.BytesIO()
        stream = io.TextIOWrapper(bytes_written, encoding="ascii")
        with mock.patch.dict(os.environ, {"COLUMNS": "100"}):
            report.print_terminal(synthetic_result.make(pairs=2), stream)
        stream.flush()
        self.assertIn(b"nginx", bytes_written.getvalue())

    def test_a_noisy_machine_is_told_first(self):
        result = synthetic_result.make(pairs=2, workloads=["small"])
        result |= {"noisy": True, "reasons": ["small: the control has 1.100 [1.050, 1.150]"]}
        with mock.patch.object(plots, "available", return_value=False):
            texts = (printed(result, 100), report.markdown(result), page.render(result))
        for text in texts:
            body = text[text.find("<body>") + 1:]
            self.assertLess(body.index("Machine too noisy"), body.index("small"))
            self.assertIn("1.050", body)


    def test_a_part_of_a_run_is_told_to_be_one(self):
        result = synthetic_result.make(pairs=2, workloads=["small"])
        result |= {"partial": True, "reasons": ["interrupted: 4 of 32 samples were measured"]}
        with mock.patch.object(plots, "available", return_value=False):
            texts = (printed(result, 100), report.markdown(result), page.render(result))
        for text in texts:
            body = text[text.find("<body>") + 1:]
            self.assertLess(body.index("Only a part"), body.index("small"))
            self.assertIn("4 of 32", body)


class PictureTest(unittest.TestCase):
    @unittest.skipUnless(plots.available(), "gnuplot is not installed")
    def test_letters_have_their_size_whatever_the_width(self):
        drawn = plots.svg(plots.head("picture", 300, 200) + "plot x\n")
        self.assertRegex(drawn, r"<svg[^>]*width=\"300\" height=\"200\"")
        self.assertIn(f'font-size="{plots.LETTERS_PX}', drawn)


class MissingDataTest(unittest.TestCase):
    def assert_shown(self, result):
        result.pop("goals", None)
        result["goals"] = goals.evaluate(result, synthetic_result.median_and_extent)
        with mock.patch.object(plots, "svg", return_value="<svg></svg>"):
            self.assertEqual(Page(page.render(result)).open, [])
        printed(result, 80)
        return report.markdown(result)

    def test_an_empty_result(self):
        self.assertIn("ringserve", self.assert_shown({}))

    def test_each_part_may_be_missing(self):
        whole = synthetic_result.make(pairs=2)
        for key in whole:
            with self.subTest(missing=key):
                result = copy.deepcopy(whole)
                del result[key]
                self.assert_shown(result)

    def test_each_subject_may_be_missing(self):
        for absent in synthetic_result.SUBJECTS:
            with self.subTest(absent=absent):
                subjects = [name for name in synthetic_result.SUBJECTS if name != absent]
                text = self.assert_shown(synthetic_result.make(pairs=2, subjects=subjects))
                if absent in ("nginx", "h2o", "lighttpd", "caddy"):
                    self.assertIn(f"Not in this run: {absent}.", text)

    def test_each_workload_may_lack_its_samples(self):
        whole = synthetic_result.make(pairs=2)
        for name in synthetic_result.WORKLOADS:
            with self.subTest(workload=name):
                result = copy.deepcopy(whole)
                for key in ("samples", "comparisons", "controls"):
                    result[key] = [entry for entry in result[key] if entry["workload"] != name]
                self.assertIn("not measured", self.assert_shown(result))

    def test_one_sample_only(self):
        text = self.assert_shown(synthetic_result.make(pairs=1))
        self.assertIn("too few rounds", text)
        self.assertIn("one sample", text)

    def test_values_of_zero(self):
        result = synthetic_result.make(pairs=2)
        result["comparisons"] = []
        for sample in result["samples"]:
            sample["metrics"] = dict.fromkeys(sample["metrics"], 0)
        self.assertIn("0: no ratio", self.assert_shown(result))

    def test_values_that_are_none(self):
        result = synthetic_result.make(pairs=2)
        for sample in result["samples"][::3]:
            sample["metrics"] = dict.fromkeys(sample["metrics"], None)
        self.assert_shown(result)

    def test_intervals_without_an_end(self):
        result = synthetic_result.make(pairs=3)
        for entry in [*result["comparisons"], *result["controls"]]:
            entry |= {"low": 0, "high": None}
        self.assertIn("[0.00, ∞]", self.assert_shown(result))


if __name__ == "__main__":
    unittest.main()
