"""A modality judged by another of its judges: everything else is asked of the modality itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from synthgen.api import Judge, Modality, Schema

__all__ = ["judged_by", "kind_of"]


class _Judged:
    def __init__(self, modality: Modality, kind: str) -> None:
        self._modality = modality
        self.judge_kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._modality, name)

    def judge(self, schema: Schema, *, seed: int, kind: str = "default") -> Judge | None:
        """The chosen kind where no other is asked for."""
        return self._modality.judge(schema, seed=seed, kind=self.judge_kind if kind == "default" else kind)


def judged_by(modality: Modality, kind: str) -> Modality:
    """The modality with `kind` as its default judge; itself for `"default"`."""
    return modality if kind == "default" else cast("Modality", _Judged(modality, kind))


def kind_of(modality: Modality) -> str:
    """Which judge is the default one."""
    return str(getattr(modality, "judge_kind", "default"))
