"""The modality keeps every promise that the conformance suite knows."""

from __future__ import annotations

import pytest

from synthgen.testing import modality_checks, subject


@pytest.fixture(scope="module")
def demo():
    return subject("timeseries", records=32)


@pytest.mark.parametrize("check", list(modality_checks()))
def test_the_modality_passes(check, demo):
    modality_checks()[check](demo)
