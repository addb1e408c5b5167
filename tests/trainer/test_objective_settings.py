"""Objective settings: what a study may say, and what a typo is told."""

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.contracts.objective import read_settings
from trainer.objective_settings import ClopSettings, InfoNCESettings, ObjectiveSettings

KINDS = sorted(
    TypeAdapter(ObjectiveSettings).json_schema()["discriminator"]["mapping"],
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_with_its_defaults_alone(kind: str) -> None:
    assert read_settings(kind=kind).kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_kind_is_answered_with_every_known_one(kind: str) -> None:
    with pytest.raises(ValidationError, match=rf"'infonec' .* expected tags: .*'{kind}'"):
        read_settings(kind="infonec")


@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_that_the_kind_does_not_have_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match=rf"{kind}\.temprature\n.*not permitted"):
        read_settings(kind=kind, temprature=0.1)


def test_lambda_is_written_without_the_underscore() -> None:
    settings = read_settings(kind="clop", **{"lambda": 0.25})
    assert isinstance(settings, ClopSettings)
    assert settings.lambda_ == 0.25
    assert settings.model_dump(by_alias=True)["lambda"] == 0.25


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "infonce", "temperature": 0.0}, r"greater than or equal to 0\.005"),
        ({"kind": "infonce", "temperature": float("nan")}, r"finite number"),
        ({"kind": "clop", "lambda": -0.1}, r"greater than or equal to 0"),
        ({"kind": "clop", "label_fraction": 1.5}, r"less than or equal to 1"),
        ({"kind": "clop", "prototypes": "orthogonal"}, r"'orthonormal', 'random', 'etf'"),
        ({"temperature": 0.1}, r"discriminator 'kind'"),
        (
            {"kind": "infonce", "temperature": 0.005, "temperature_mode": "learnable"},
            r"starts at 0\.01 or more, got 0\.005",
        ),
        (
            {"kind": "dynamic_svr", "temperature": 0.009, "temperature_mode": "learnable"},
            r"starts at 0\.01 or more, got 0\.009",
        ),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read_settings(**fields)


def test_a_learned_temperature_may_start_at_its_bound_and_on_a_siglip_base_it_is_not_used() -> None:
    at_bound = read_settings(kind="infonce", temperature=0.01, temperature_mode="learnable")
    assert isinstance(at_bound, InfoNCESettings)
    assert at_bound.temperature == 0.01
    unused = {"base": "siglip", "temperature": 0.005, "temperature_mode": "learnable"}
    assert read_settings(kind="static_svr", **unused).kind == "static_svr"


def test_settings_do_not_change_after_they_were_read() -> None:
    settings = read_settings(kind="infonce")
    assert isinstance(settings, InfoNCESettings)
    with pytest.raises(ValidationError, match=r"frozen"):
        settings.temperature = 1.0
