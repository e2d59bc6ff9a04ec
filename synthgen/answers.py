"""What a plugin's answers must look like: its version of the contract, its records, and what of it is deprecated."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from synthgen.api import API_VERSION, Spec

__all__ = ["BrokenAnswer", "check_version", "checked_specs", "deprecations"]

_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class BrokenAnswer(Exception):
    """A plugin's answer that is not what the hook expects."""


def check_version(plugin: object) -> None:
    """Refuse a plugin whose `SYNTHGEN_API` says that it was written for a contract that this is not."""
    wanted = getattr(plugin, "SYNTHGEN_API", None)
    if wanted is None:
        return
    if not isinstance(wanted, str) or not re.fullmatch(r"\d+\.\d+", wanted):
        raise BrokenAnswer(f"its SYNTHGEN_API is {wanted!r}, expected 'major.minor' such as {API_VERSION!r}")
    major, minor = (int(part) for part in wanted.split("."))
    our_major, our_minor = (int(part) for part in API_VERSION.split("."))
    if major < our_major:
        raise BrokenAnswer(f"it was written for API {wanted}, this synthgen has {API_VERSION}: update the plugin")
    if (major, minor) > (our_major, our_minor):
        raise BrokenAnswer(f"it needs API {wanted}, this synthgen has {API_VERSION}: update synthgen")


@contextmanager
def deprecations(sentences: list[str]) -> Iterator[None]:
    """Collect what synthgen says is deprecated, which Python would show to nobody; other warnings pass."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        warnings.simplefilter("always", PendingDeprecationWarning)
        yield
    for warning in caught:
        sentence = " ".join(str(warning.message).split())
        ours = "synthgen" in sentence
        if ours and issubclass(warning.category, DeprecationWarning | PendingDeprecationWarning):
            sentences.extend([sentence] if sentence not in sentences else [])
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def checked_specs(answer: object, hook: str) -> Iterator[Spec]:
    """The records of an answer, one by one.

    Raises:
        BrokenAnswer: naming the hook and what is wrong.
    """
    if not isinstance(answer, Iterable) or isinstance(answer, str | bytes | Mapping):
        raise BrokenAnswer(f"{hook} returned {type(answer).__name__}, expected an iterable of synthgen.api.Spec")
    for spec in answer:
        if not isinstance(spec, Spec):
            raise BrokenAnswer(f"{hook} returned an item of type {type(spec).__name__}, expected synthgen.api.Spec")
        if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
            raise BrokenAnswer(f"{hook} returned the name {spec.name!r}, expected lower case, digits and dashes")
        if not isinstance(spec.target, str) or not _TARGET.fullmatch(spec.target):
            raise BrokenAnswer(
                f"{hook} gave {spec.name} the target {spec.target!r}, expected 'package.module:attribute'"
            )
        if not isinstance(spec.summary, str) or not isinstance(spec.modality, str):
            raise BrokenAnswer(f"{hook} gave {spec.name} a summary or modality that is not a string")
        if not isinstance(spec.requires, tuple) or not all(isinstance(item, str) for item in spec.requires):
            raise BrokenAnswer(f"{hook} gave {spec.name} a `requires` that is not a tuple of strings")
        yield spec
