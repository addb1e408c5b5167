"""Where numbers come from: digests of the lock file and of the data, honest where there is none."""

import hashlib
from pathlib import Path

from orchestrator.dataset_view import view_datasets
from orchestrator.ledger import Ledger
from orchestrator.provenance import add_data, read_provenance
from orchestrator.record import Provenance
from search_spaces.load import parse_study
from tests.orchestrator.claims.laboratory import make_study

LOCK = Path(__file__).parents[2] / "requirements.lock"
PLAIN = Provenance("abc", {}, "rankfall run lab.yaml")


def test_the_lock_digest_is_that_of_the_file() -> None:
    expected = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    assert read_provenance(["rankfall"]).lock_digest == expected


def digest_of(*overrides: str) -> str | None:
    return add_data(PLAIN, make_study("lr=0.1", *overrides)).data_digest


def test_equal_data_have_one_digest_and_other_data_another() -> None:
    plain = digest_of()
    assert digest_of("data.augment.noise_std=0.3") == plain, "augmentation is no other data"
    others = ["data.limit=500", "data.split_seed=1", "data.limit=[300, 500]"]
    assert len({plain, *map(digest_of, others)}) == 4
    assert plain == view_datasets(make_study())[0].digest, "MLflow shows the same"


def test_data_that_are_not_here_are_no_reason_to_stop(tmp_path: Path) -> None:
    text = make_study().source_text.replace(
        "source: digits", f"source: image_folder, folder: {tmp_path / 'gone'}"
    )
    study = parse_study(text, "lab.yaml", is_recorded=True)
    assert add_data(PLAIN, study) == PLAIN


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
