"""Real tables that come with scikit-learn, so that everything can be tried offline."""

from __future__ import annotations

import pandas as pd
from sklearn import datasets

from synthgen.data.source import ArraySource
from synthgen_tabular.files import source_of

__all__ = ["breast_cancer", "diabetes", "wine"]


def wine() -> ArraySource:
    """178 wines of three cultivars, 13 chemical measurements (UCI, 1991)."""
    bunch = datasets.load_wine(as_frame=True)
    return source_of(_labelled(bunch, "cultivar", ("barolo", "grignolino", "barbera")), label="cultivar")


def breast_cancer() -> ArraySource:
    """569 tumours, malignant or benign, 30 measurements of cell nuclei (Wisconsin, 1995)."""
    bunch = datasets.load_breast_cancer(as_frame=True)
    return source_of(_labelled(bunch, "diagnosis", tuple(bunch.target_names)), label="diagnosis")


def diabetes() -> ArraySource:
    """442 patients: age, sex, eight measurements, and disease progression after a year (Efron et al. 2004)."""
    frame = datasets.load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    frame["sex"] = frame["sex"].map({1.0: "1", 2.0: "2"})  # the source does not say which is which
    return source_of(frame, label="progression")


def _labelled(bunch: object, column: str, names: tuple[str, ...]) -> pd.DataFrame:
    frame: pd.DataFrame = bunch.frame  # type: ignore[attr-defined]
    frame = frame.rename(columns={"target": column})
    return frame.assign(**{column: [names[int(index)] for index in frame[column]]})
