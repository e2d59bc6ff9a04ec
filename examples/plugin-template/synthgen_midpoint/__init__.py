"""The hooks. This module is imported by every synthgen command, so it imports nothing but `synthgen.api`."""

from __future__ import annotations

from synthgen.api import Spec, hookimpl


@hookimpl
def synthgen_samplers() -> list[Spec]:
    """What this plugin adds; the target is imported when somebody asks for `--sampler midpoint`."""
    return [Spec("midpoint", "second-order midpoint rule in ln sigma", "synthgen_midpoint.midpoint:MIDPOINT")]
