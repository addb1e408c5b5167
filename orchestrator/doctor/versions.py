"""Python and the packages that Rankfall declares, against what is installed."""

import platform
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.version import Version

from orchestrator.doctor.finding import Finding, Health

OLDEST_PYTHON = (3, 11)
_SHOWN = ("ray", "torch", "optuna", "mlflow")


def check_python(found: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Return whether this Python is new enough."""
    told = platform.python_version()
    if found >= OLDEST_PYTHON:
        return Finding("python", Health.OK, told)
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Finding("python", Health.FAIL, told, f"make an environment with Python {wanted}")


def check_packages(
    declared: Iterable[str] | None = None, installed: Callable[[str], str] = version
) -> list[Finding]:
    """Return a finding for each package that is missing or another version than declared.

    The main ones are told although they are well.

    Args:
        declared: Requirements; None takes those of the installed Rankfall.
        installed: Returns the version of a package.
    """
    lines = (requires("rankfall") or []) if declared is None else declared
    wanted = [Requirement(line) for line in lines]
    needed = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    findings = [_check_package(one, installed) for one in needed]
    return [f for f in findings if f.health is not Health.OK or f.check in _SHOWN]


def _check_package(wanted: Requirement, installed: Callable[[str], str]) -> Finding:
    mend = f"pip install '{wanted.name}{wanted.specifier}', or make setup"
    try:
        found = installed(wanted.name)
    except PackageNotFoundError:
        return Finding(wanted.name, Health.FAIL, "not installed", mend)
    # Builds for a processor (2.13.0+cpu) are that version.
    if wanted.specifier.contains(Version(found).public, prereleases=True):
        return Finding(wanted.name, Health.OK, found)
    return Finding(wanted.name, Health.FAIL, f"{found}, expected {wanted.specifier}", mend)
