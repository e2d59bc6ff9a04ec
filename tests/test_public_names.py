"""The public names: sorted, all there, and still functions after every package was imported."""

from __future__ import annotations

import importlib
import pkgutil

import synthgen


def test_every_public_name_resolves() -> None:
    assert list(synthgen.__all__) == sorted(synthgen.__all__)
    assert all(callable(getattr(synthgen, name)) for name in synthgen.__all__ if name != "__version__")


def test_no_package_shadows_a_public_name() -> None:
    packages = {module.name for module in pkgutil.iter_modules(synthgen.__path__)}
    assert packages.isdisjoint(synthgen.__all__)
    for name in ("training", "generation", "evaluation"):
        importlib.import_module(f"synthgen.{name}")
    assert callable(synthgen.train)
    assert callable(synthgen.generate)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(synthgen, "tarin")
