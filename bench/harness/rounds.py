"""Rounds in which all subjects take turns: forward, then backward (ABBA), so that a drift of the
machine meets all alike."""


def order(subjects, number):
    """The subjects in their order of round `number`, counted from 0."""
    return list(subjects) if number % 2 == 0 else list(reversed(subjects))


def turns(subjects, rounds):
    """(round, subject) in the order of measuring; rounds are counted from 0."""
    return [(number, subject) for number in range(rounds) for subject in order(subjects, number)]


def pairs(values_a, values_b):
    """[[a, b], ...] of the rounds that both have; both are {round: value}."""
    return [[values_a[number], values_b[number]] for number in sorted(values_a)
            if number in values_b]
