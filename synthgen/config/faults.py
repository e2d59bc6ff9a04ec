"""What is wrong with a configuration, in words: the exact path of each fault, with a suggestion."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from synthgen.config.sections import RunConfig, Section
from synthgen.errors import ConfigError

__all__ = ["explained", "faults_of"]


def explained(error: ValidationError) -> ConfigError:
    """The first fault as an error to raise, with how many more there are."""
    (_, message, hint), *more = faults_of(error)
    return ConfigError(message + (f" (and {len(more)} more)" if more else ""), hint=hint)


def faults_of(error: ValidationError) -> list[tuple[str, str, str]]:
    """Every fault as (path of the key, what is wrong, what to do)."""
    faults = []
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = [f"{path.rpartition('.')[0]}.{key}".lstrip(".") for key in _known_keys(path)]
            near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
            close = difflib.get_close_matches(path, known, n=1, cutoff=0.85) or _elsewhere(path) or near
            hint = f"Did you mean {close[0]}?" if close else "`synthgen config init` prints every key with its meaning."
            faults.append((path, f"unknown configuration key {path}", hint))
            continue
        reason = fault["msg"][0].lower() + fault["msg"][1:]
        hint = ""
        if fault["type"] == "literal_error":
            values = re.findall(r"'([^']+)'", str(fault.get("ctx", {}).get("expected", "")))
            close = difflib.get_close_matches(str(fault["input"]), values, n=1)
            hint = f"Did you mean {close[0]}?" if close else ""
        faults.append((path, f"configuration key {path}: {reason} (got {fault['input']!r})", hint))
    return faults


def _elsewhere(path: str) -> list[str]:
    """Keys of this name in other sections: `train.lr` is `optim.lr`."""
    name = path.rpartition(".")[2]
    sections = [section for section, field in RunConfig.model_fields.items() if _is_section(field.annotation)]
    return [f"{section}.{name}" for section in sections if name in _known_keys(f"{section}.")]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _known_keys(path: str) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in path.split(".")[:-1]:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)
