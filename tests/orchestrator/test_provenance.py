"""Where numbers come from: digests of the lock file and of the data, honest where there is none."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ledger import Ledger
from orchestrator.provenance import add_data, read_provenance
from orchestrator.record import Provenance, TrialRecord
from search_spaces.load import parse_study
from tests.orchestrator.claims.laboratory import fill, make_study
from trainer.data import identity
from trainer.data.identity import digest_data
from trainer.settings import DataSettings

LOCK = Path(__file__).parents[2] / "requirements.lock"
PLAIN = Provenance("abc", {}, "rankfall run lab.yaml")


def records_of(folder: Path, *overrides: str) -> list[TrialRecord]:
    study = make_study("lr=0.1", *overrides)
    return fill(study, folder, lambda _: {"knn_accuracy": 0.5}).records()


def test_the_lock_digest_is_that_of_the_file() -> None:
    expected = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    assert read_provenance(["rankfall"]).lock_digest == expected


def test_equal_data_have_one_digest_and_other_data_another(tmp_path: Path) -> None:
    plain = add_data(PLAIN, records_of(tmp_path / "a")).data_digest
    again = add_data(PLAIN, records_of(tmp_path / "b", "data.augment.noise_std=0.3")).data_digest
    limited = add_data(PLAIN, records_of(tmp_path / "c", "data.limit=500")).data_digest
    split = add_data(PLAIN, records_of(tmp_path / "d", "data.split_seed=1")).data_digest
    assert plain == again, "augmentation is no other data"
    assert len({plain, limited, split}) == 3
    assert plain is not None
    assert len(plain) == 12


def test_data_that_are_not_here_are_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = records_of(tmp_path)
    assert add_data(PLAIN, []) == PLAIN
    monkeypatch.setattr(identity, "MOST_PIXELS", 1797 * 64 - 1)
    assert digest_data(DataSettings(source="digits")) is None
    assert add_data(PLAIN, records) == PLAIN


def test_data_that_are_gone_are_no_reason_to_stop(tmp_path: Path) -> None:
    records = records_of(tmp_path)
    gone = DataSettings(source="image_folder", folder=str(tmp_path / "gone"))
    moved = [replace(r, settings=r.settings.model_copy(update={"data": gone})) for r in records]
    assert add_data(PLAIN, moved) == PLAIN


def test_a_ledger_from_before_there_were_digests_is_read(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.journal", make_study())
    ledger._optuna.set_user_attr(
        "provenance", {"git_commit": "abc", "versions": {}, "command": "rankfall run lab.yaml"}
    )
    assert Ledger.load(tmp_path / "ledger.journal").provenance == PLAIN


def test_seeds_derive_from_another_study_if_it_is_named_and_the_digest_says_so() -> None:
    plain, taking = make_study(), make_study("seeds_from=other")
    assert plain.digest != taking.digest
    assert make_study("study=other").digest != make_study("study=other", "seeds_from=lab").digest
    again = parse_study(taking.source_text, "lab.yaml", taking.overrides)
    assert (again, again.digest) == (taking, taking.digest)
