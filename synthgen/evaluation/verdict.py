"""The report's first lines: three questions answered in words, with the numbers, and "cannot tell" where they say so.

The rules are a table. A rule reads one row: the answer is yes when the whole interval lies on the good side of the
line, no when it lies on the bad side, and "cannot tell" when the line is inside. A question's answer is its worst
rule's: no, then cannot tell, then yes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from synthgen.evaluation.metric import MetricRow

__all__ = ["RULES", "Answer", "Rule", "answer", "sentences"]

Decision = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, its answer and why."""

    question: str
    decision: Decision
    because: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The answer as one line of text."""
        return f"{self.question} {self.decision.capitalize()}: {'; '.join(self.because)}."


@dataclass(frozen=True, slots=True)
class Rule:
    """How one row bears on a question.

    Args:
        question: which one.
        metric: name of the row; a measure-prefixed row (`r2_gain`) stands in for the plain one (`gain`).
        words: what the number says, with `{value}`, `{ci}` and `{floor}`.
        decide: the answer from the row; None: the number is told and takes no part in the answer.
    """

    question: str
    metric: str
    words: str
    decide: Callable[[MetricRow], Decision] | None = None


def _above(line: Callable[[MetricRow], float]) -> Callable[[MetricRow], Decision]:
    def decide(row: MetricRow) -> Decision:
        low, high = row.ci or (row.value or 0.0, row.value or 0.0)
        return "yes" if low > line(row) else "no" if high < line(row) else "cannot tell"

    return decide


def _below(line: Callable[[MetricRow], float]) -> Callable[[MetricRow], Decision]:
    def decide(row: MetricRow) -> Decision:
        low, high = row.ci or (row.value or 0.0, row.value or 0.0)
        return "yes" if high < line(row) else "no" if low > line(row) else "cannot tell"

    return decide


def _excess(harmless: float) -> Callable[[MetricRow], Decision]:
    """Whether the value exceeds what chance allows.

    Yes when even its interval's lower end does; no when the value does not and its interval rules out more than is
    `harmless`, which a handful of records cannot.
    """

    def decide(row: MetricRow) -> Decision:
        value = row.value or 0.0
        low, high = row.ci or (value, value)
        chance = row.floor_ci[1] if row.floor_ci else row.floor or 0.0
        if low > chance:
            return "yes"
        sharp = (row.floor or 0.0) <= harmless  # a floor that is bad itself, by drift say, can clear nobody
        return "no" if sharp and value <= chance and high <= max(harmless, chance) else "cannot tell"

    return decide


LOOKS, HELPS, LEAKS = "Looks right?", "Helps?", "Leaks?"

RULES: tuple[Rule, ...] = (
    Rule(LOOKS, "c2st_auc",
         "a classifier tells synthetic from real records with AUC {value} {ci} "
         "(0.5 is chance, real from real {floor}, the line is 0.65)",
         _below(lambda row: max(0.65, (row.floor or 0.5) + 0.05))),
    Rule(LOOKS, "recall",
         "{percent} {percent_ci} of held-out records lie where synthetic records do "
         "({percent_floor} lie where real training records do; the line is 80 % of that)",
         _above(lambda row: 0.8 * (row.floor or 1.0))),
    Rule(LOOKS, "label_fidelity",
         "a real-trained judge agrees with the synthetic labels at {value} {ci} (with real labels: {floor})"),
    Rule(HELPS, "gain",
         "adding synthetic to real records changes a downstream model by {signed} {ci} (the line is 0)",
         _above(lambda row: 0.0)),
    Rule(HELPS, "trtr", "real records alone train it to {value} {ci}"),
    Rule(HELPS, "tstr_ratio", "synthetic records alone train it to {value} {ci} of what real ones do"),
    Rule(LEAKS, "copy_rate",
         "{percent} {percent_ci} of synthetic records are suspiciously close to a training record "
         "(chance: {percent_floor_ci})", _excess(0.05)),
    Rule(LEAKS, "dcr_share",
         "{percent} {percent_ci} are nearer to training than to held-out records (chance: {percent_floor_ci})",
         _excess(0.6)),
    Rule(LEAKS, "mia_auc", "who holds the model itself tells training from held-out records with AUC {value} {ci}"),
)  # fmt: skip
"""Every rule of the verdict. `Leaks?` is the one question whose good answer is no."""

_SHOWN = 8

_ORDER: Mapping[str, tuple[Decision, ...]] = {
    LOOKS: ("no", "cannot tell", "yes"),
    HELPS: ("no", "cannot tell", "yes"),
    LEAKS: ("yes", "cannot tell", "no"),
}


def answer(rows: Sequence[MetricRow], *, absent: Mapping[str, str] | None = None) -> list[Answer]:
    """Answers to the three questions.

    Args:
        rows: of the report.
        absent: metric name -> why it does not apply.
    """
    answers = []
    for question, order in _ORDER.items():
        decisions: list[Decision] = []
        because: list[str] = []
        for rule in (rule for rule in RULES if rule.question == question):
            row = _find(rows, rule.metric)
            if row is None or row.error is not None:
                reason = _missing(rule.metric, row, absent or {})
                if rule.decide is not None:
                    decisions.append("cannot tell")
                    because.append(reason)
                continue
            if rule.decide is not None:
                decisions.append(rule.decide(row))
            because.append(_words(rule.words, row))
        because += _by_class(rows) if question == HELPS else ()
        answers.append(Answer(question, min(decisions, key=order.index), tuple(because)))
    return answers


def sentences(answers: Sequence[Answer]) -> list[str]:
    """One line of text for each answer."""
    return [one.sentence for one in answers]


def _find(rows: Sequence[MetricRow], name: str) -> MetricRow | None:
    plain = [row for row in rows if row.name == name]
    prefixed = [row for row in rows if row.name.endswith(f"_{name}") and "/" not in row.name]
    return next(iter(plain + prefixed), None)


def _by_class(rows: Sequence[MetricRow]) -> tuple[str, ...]:
    """Which classes synthetic records help and which they harm, for sure; nothing where classes were not measured."""
    spans = {
        row.name.partition("/")[2]: row.ci for row in rows if row.name.startswith("gain/") and row.ci and not row.error
    }
    if not spans:
        return ()
    better = [name for name, ci in spans.items() if ci[0] > 0]
    worse = [name for name, ci in spans.items() if ci[1] < 0]
    open_ones = len(spans) - len(better) - len(worse)
    said = [f"{verb} {_listed(names)}" for verb, names in (("helps", better), ("harms", worse)) if names] + (
        [f"cannot tell for {open_ones} of {len(spans)}"] if open_ones else []
    )
    return (f"by class it {', '.join(said)}",)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _missing(name: str, row: MetricRow | None, absent: Mapping[str, str]) -> str:
    if row is not None:
        return f"{name} failed ({row.error})"
    return f"{name} does not apply here ({absent[name]})" if name in absent else f"{name} was not measured"


def _words(words: str, row: MetricRow) -> str:
    value, ci = row.value or 0.0, row.ci or (row.value or 0.0, row.value or 0.0)
    chance = row.floor_ci or (row.floor or 0.0, row.floor or 0.0)
    measure = str(row.facts.get("measure", ""))
    return words.format(
        value=f"{value:.2f}",
        signed=f"{value:+.3f} {measure}".strip(),
        ci=f"[{ci[0]:.2f}, {ci[1]:.2f}]" if "{signed}" not in words else f"[{ci[0]:+.3f}, {ci[1]:+.3f}]",
        floor="unknown" if row.floor is None else f"{row.floor:.2f}",
        percent=f"{100 * value:.1f} %",
        percent_floor="an unknown share" if row.floor is None else f"{100 * row.floor:.1f} %",
        percent_ci=f"[{100 * ci[0]:.1f}, {100 * ci[1]:.1f}]",
        percent_floor_ci=f"{100 * chance[0]:.1f} to {100 * chance[1]:.1f} %",
    )
