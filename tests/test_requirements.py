"""What is installed: every dependency is bounded, and the constraints are within the bounds."""

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support import ROOT

DATED = {"flatbuffers"}  # versions are dates


def requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_dependency_has_an_upper_bound_or_versions_that_are_dates():
    for requirement in requirements("requirements.txt") + requirements("requirements-dev.txt"):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == ({">="} if requirement.name in DATED else {">=", "<"}), requirement


def test_the_constraints_pin_every_dependency_within_its_bounds():
    pinned = {}
    for constraint in requirements("constraints.txt"):
        (specifier,) = constraint.specifier
        assert specifier.operator == "=="
        assert not constraint.url
        pinned[canonicalize_name(constraint.name)] = specifier.version
    for requirement in requirements("requirements.txt") + requirements("requirements-dev.txt"):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), (requirement, version)
