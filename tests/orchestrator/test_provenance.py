"""Where numbers come from: digests of the lock file and of the data, honest where there is none."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.dataset_view import view_datasets
from orchestrator.lane_plan import LaneRequest
from orchestrator.ledger import Ledger
from orchestrator.provenance import add_data, read_provenance
from orchestrator.record import Provenance, TrialRecord
from orchestrator.sweep import SweepOptions, run_sweep
from search_spaces.load import parse_study
from search_spaces.study import Study
from tests.orchestrator.claims.laboratory import PROVENANCE as LAB
from tests.orchestrator.claims.laboratory import fill, make_study

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


class Nothing:
    """A display that shows nothing."""

    def show_stage(self, text: str) -> None:
        """Show nothing."""

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        """Show nothing."""

    def show_steps(self, member_steps_running: int) -> None:
        """Show nothing."""


def test_a_finished_study_run_again_keeps_saying_how_it_was_made(tmp_path: Path) -> None:
    study, folder = make_study("lr=0.1"), tmp_path / "lab"
    fill(study, folder, lambda _: {"knn_accuracy": 0.5})
    journal, page = folder / "ledger.journal", folder / "report" / "report.html"
    lengths, pages = [], []
    for _ in range(3):
        lengths.append(len(journal.read_bytes().splitlines()))
        options = SweepOptions(tmp_path, LaneRequest(1, 1, 1.0), ["rankfall", "other"], track=False)
        run_sweep(study, options, Nothing())
        pages.append(page.read_bytes())
    assert lengths[1:] == [lengths[0] + 1] * 2, "the digest of the data, once"
    assert len(set(pages)) == 1
    expected = replace(LAB, data_digest=view_datasets(study)[0].digest)
    assert Ledger.load(journal).provenance == expected
