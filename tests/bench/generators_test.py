"""bench/generators: when a goal is reached. Nothing is measured."""

import contextlib
import io
import pathlib
import sys
import unittest
from unittest import mock

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(TOP / "bench"), str(TOP / "bench" / "generators")]

import measuring  # noqa: E402
from measuring import CANNOT_TELL, NO, YES, Figure  # noqa: E402


def ratio_with(low, high, at_most=True):
    figure = measuring.ratio_figure("a ratio", at_most, 0.85, [[1, 2], [2, 2], [3, 2]])
    answer = {"ratio": 0.8, "low": low, "high": high}
    with mock.patch.object(measuring.paired, "compare_all", return_value=[answer]) as compare:
        measuring.find_intervals("build", [Figure("plain", True, 1, [1]), figure])
    compare.assert_called_once_with("build", [{"pairs": [[1, 2], [2, 2], [3, 2]]}])
    return figure


class FigureTest(unittest.TestCase):
    def test_a_ratio_is_reached_with_its_whole_interval(self):
        for low, high, at_most, at_least in ((0.7, 0.84, YES, NO), (0.86, 0.9, NO, YES),
                                             (0.8, 0.9, CANNOT_TELL, CANNOT_TELL),
                                             (0, None, CANNOT_TELL, CANNOT_TELL)):
            with self.subTest(low=low, high=high):
                self.assertEqual(at_most, ratio_with(low, high).reached())
                self.assertEqual(at_least, ratio_with(low, high, at_most=False).reached())

    def test_of_anything_else_the_median_counts(self):
        self.assertEqual(YES, Figure("off by", True, 0.1, [0.0, 0.0, 5.0], "%").reached())
        self.assertEqual(NO, Figure("off by", True, 0.1, [0.0, 1.0, 5.0], "%").reached())

    def test_pairs_are_those_of_the_rounds(self):
        samples = {"a": [{"x": 1}, {"x": 2}], "b": [{"x": 3}, {"x": 4}]}
        self.assertEqual([[1, 3], [2, 4]], measuring.pairs(samples, "x", "a", "b"))

    def test_the_table_shows_intervals_and_extents(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            measuring.print_figures([ratio_with(0.7, 0.84), Figure("off", True, 1, [0, 2, 3])])
        self.assertRegex(out.getvalue(), r"0\.80 +\[0\.70, 0\.84\]  yes")
        self.assertRegex(out.getvalue(), r"2\.00 +0\.00 – 3\.00  NO")


if __name__ == "__main__":
    unittest.main()
