"""What users ask of attributes, in their own words, settled into what a plan stores.

sex=female          a category            sex=female,male     one of them, drawn for each record
tags=old,blue       these members, no others                  tags=    none of them
age=30              a number in its unit  age=30..60          drawn evenly for each record
caption=a red cat   free text, whole; a sequence of texts: one of them, drawn for each record
"""

from __future__ import annotations

import difflib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from synthgen.api import Attribute, Schema
from synthgen.data.text_encoder import encoder_of
from synthgen.errors import UsageError
from synthgen.io.condition_bank import Asked

__all__ = ["captioned", "settle", "words"]

_LOG = logging.getLogger(__name__)
_SHOWN = 12


def settle(conditions: Mapping[str, Any] | None, schema: Schema) -> Asked:
    """Names, values and units checked; a number outside the range seen in training is logged as a warning.

    Args:
        conditions: attribute name -> text as above, a number, a sequence of names, or a pair of numbers (a range).
        schema: of the run.

    Raises:
        UsageError: an attribute or value that there is not, with the nearest that there is.
    """
    asked: dict[str, tuple[str | float, ...]] = {}
    for name, value in (conditions or {}).items():
        attribute = _attribute(name, schema)
        if attribute.kind == "number":
            asked[name] = _numbers(attribute, value)
        elif attribute.kind == "text":
            asked[name] = _texts(attribute, value)
        else:
            asked[name] = _names(attribute, value)
    return asked


def captioned(conditions: Mapping[str, Any], texts: Sequence[str], schema: Schema) -> dict[str, Any]:
    """The conditions, and these texts for the one attribute that is free text.

    Args:
        conditions: others that are asked for.
        texts: one of them for each record.
        schema: of the run.

    Raises:
        UsageError: the run has no such attribute, or several, or it is asked for twice.
    """
    names = [attribute.name for attribute in schema.attributes if attribute.kind == "text"]
    if not names:
        raise UsageError(
            "this run was trained without free text", hint="Name its column with --set data.caption_column=NAME."
        )
    if len(names) > 1:
        hint = f"Use --condition {names[0]}=TEXT."
        raise UsageError(f"which text is the caption? The run has {', '.join(names)}", hint=hint)
    if names[0] in conditions:
        raise UsageError(f"the caption {names[0]} is asked for twice", hint="Leave --condition or --caption away.")
    return {**conditions, names[0]: list(texts)}


def words(asked: Asked, schema: Schema) -> list[str]:
    """What was asked for as sentences for people: `age 30 to 60 years`."""
    by_name = {attribute.name: attribute for attribute in schema.attributes}
    texts = []
    for name, values in asked.items():
        attribute = by_name[name]
        if attribute.kind == "number":
            span = " to ".join(f"{value:g}" for value in values)
            texts.append(f"{name} {span}{f' {attribute.unit}' if attribute.unit else ''}")
        elif attribute.kind == "text":
            texts.append(f"{name} {' or '.join(json.dumps(text, ensure_ascii=False) for text in values)}")
        elif attribute.kind == "members":
            texts.append(f"{name} {' and '.join(map(str, values)) or 'none'}")
        else:
            texts.append(f"{name} {' or '.join(map(str, values))}")
    return texts


def _attribute(name: str, schema: Schema) -> Attribute:
    by_name = {attribute.name: attribute for attribute in schema.attributes}
    if name in by_name:
        return by_name[name]
    if name in ("label", schema.label_column) and schema.labels:
        raise UsageError(f"{name} is the label of this run", hint="Ask for it with --label.")
    if not by_name:
        raise UsageError(
            f"no condition {name}: this run was trained without attributes",
            hint="`synthgen inspect` says which columns of the data could be one.",
        )
    close = difflib.get_close_matches(name, by_name, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"The run knows: {', '.join(list(by_name)[:_SHOWN])}."
    raise UsageError(f"unknown condition {name}", hint=hint)


def _names(attribute: Attribute, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value not in attribute.values:
        names = [part.strip() for part in value.split(",") if part.strip()]
    else:
        names = [value] if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset) else list(value)
    names = list(dict.fromkeys(str(name) for name in names))
    if not names and attribute.kind == "category":
        raise UsageError(f"condition {attribute.name} is empty", hint=f"It is one of {_some(attribute)}.")
    for name in names:
        if name not in attribute.values:
            close = difflib.get_close_matches(name, attribute.values, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Its values are {_some(attribute)}."
            raise UsageError(f"condition {attribute.name} has no value {name}", hint=hint)
    return tuple(names)


def _texts(attribute: Attribute, value: Any) -> tuple[str, ...]:
    """Texts on one line each; that the encoder is at hand is found out before anything is generated."""
    given = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    texts = tuple(dict.fromkeys(" ".join(str(text).split()) for text in given))
    if not texts or not all(texts):
        raise UsageError(f"condition {attribute.name} is an empty text", hint="Leave it away to let training decide.")
    encoder_of(attribute)
    return texts


def _some(attribute: Attribute) -> str:
    more = ", ..." if len(attribute.values) > _SHOWN else ""
    return ", ".join(attribute.values[:_SHOWN]) + more


def _numbers(attribute: Attribute, value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        parts: list[Any] = value.split("..") if ".." in value else [value]
    else:
        parts = list(value) if isinstance(value, Sequence) else [value]
    unit = f" {attribute.unit}" if attribute.unit else ""
    if len(parts) not in (1, 2):
        raise UsageError(f"condition {attribute.name}: expected a number or a range, found {value}")
    numbers = tuple(_number(attribute, part) for part in parts)
    if numbers[0] > numbers[-1]:
        raise UsageError(f"condition {attribute.name}: the range {value} ends before it begins")
    low, high = attribute.low, attribute.high
    if low is not None and high is not None and (numbers[0] < low or numbers[-1] > high):
        _LOG.warning(
            "%s=%s lies outside what training saw, %g to %g%s: the model has to extrapolate",
            *(attribute.name, "..".join(f"{number:g}" for number in numbers), low, high, unit),
        )
    return numbers if numbers[0] != numbers[-1] else numbers[:1]


def _number(attribute: Attribute, part: Any) -> float:
    text = str(part).strip()
    example = "" if attribute.low is None else f" For example {attribute.name}={attribute.low:g}."
    try:
        number = float(text.removesuffix(attribute.unit) if attribute.unit else text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        unit = f", in {attribute.unit}" if attribute.unit else ""
        raise UsageError(f"condition {attribute.name}: {text!r} is not a number", hint=f"It is one{unit}.{example}")
    if attribute.integer and not number.is_integer():
        raise UsageError(f"condition {attribute.name}: {text} is not a whole number, and training saw no other")
    if attribute.logarithmic and number <= 0:
        raise UsageError(f"condition {attribute.name}: {text} is not positive, and training saw no other")
    return number
