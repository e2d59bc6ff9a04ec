"""Conformance suites for plugins, in the manner of scikit-learn's `check_estimator`.

    from synthgen.testing import check_metric, check_modality, check_network, check_sampler, check_writer

    def test_my_modality():
        check_modality("spectra")

Each failure is a `ConformanceError` whose sentence says what to change. `modality_checks()` gives the checks of a
modality one by one, for a test report with a line each.
"""

from __future__ import annotations

from synthgen.testing.conformance import ConformanceError
from synthgen.testing.metric import check_metric
from synthgen.testing.modality import check_modality, modality_checks
from synthgen.testing.network import check_network
from synthgen.testing.sampler import check_sampler
from synthgen.testing.subject import Subject, subject
from synthgen.testing.writer import check_writer

__all__ = [
    "ConformanceError",
    "Subject",
    "check_metric",
    "check_modality",
    "check_network",
    "check_sampler",
    "check_writer",
    "modality_checks",
    "subject",
]
