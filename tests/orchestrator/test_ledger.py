"""The ledger: what is told is found again to the bit, once, and by Optuna's own tools."""

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState as OptunaState
from PIL import Image

from orchestrator.errors import LedgerError, StudyChangedError
from orchestrator.journal import open_journal
from orchestrator.ledger import Ledger, replicate_seed
from orchestrator.record import Provenance, TrialState
from search_spaces.errors import StudyFileError
from search_spaces.load import parse_study
from tests.orchestrator.fabricated import TEXT, fabricate, make_tiny, open_ledger, propose, told

finite = st.floats(allow_nan=False, allow_infinity=False)
PROVENANCE = Provenance("0123abc+dirty", {"torch": "2.13.0"}, "rankfall run 'my study.yaml'")


def entries_of(folder: Path) -> int:
    return (folder / "ledger.journal").read_bytes().count(b"\n")


def test_everything_is_found_again_by_another_process(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    ledger = open_ledger(tmp_path, "seed=3")
    ledger.set_provenance(PROVENANCE)
    ledger.add_round(propose(0.1, 1 / 3, replicates=2))
    ledger.add_round(propose(7.0, kind="supcon"))
    keys = [record.key for record in ledger.records()]
    ledger.tell(fabricate(keys[1]))
    ledger.tell_missing(keys[2], "OutOfMemoryError: 12 GiB")
    found = Ledger.load(tmp_path / "ledger.journal")

    assert found.study == make_tiny("seed=3")
    assert found.rounds == ledger.rounds
    assert found.provenance == PROVENANCE
    assert found.identity == ledger.identity
    records = found.records()
    assert [r.number for r in records] == [0, 1, 2, 3, 4]
    assert [r.round_number for r in records] == [0, 0, 0, 0, 1]
    assert [r.state for r in records] == [
        TrialState.PENDING,
        TrialState.FINISHED,
        TrialState.MISSING,
        TrialState.PENDING,
        TrialState.PENDING,
    ]
    assert records[1].outcome == fabricate(keys[1])
    assert records[2].failure == "OutOfMemoryError: 12 GiB"
    assert records[4].settings.objective.kind == "supcon"
    assert records[1].told_at is not None
    assert before <= records[1].asked_at <= records[1].told_at <= datetime.now(UTC)


@settings(max_examples=40, deadline=None)
@given(score=finite, measures=st.dictionaries(st.text(max_size=5), finite, max_size=3), lr=finite)
def test_floats_come_back_bit_by_bit(
    score: float, measures: dict[str, float], lr: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bits")
    rate = min(max(abs(lr), 1e-2), 100.0)
    (trial,) = propose(rate)
    outcome = fabricate(trial.key).model_copy(update={"score": score, "measures": measures})
    ledger = open_ledger(folder)
    ledger.add_round([trial])
    ledger.tell(outcome)
    (record,) = Ledger.load(folder / "ledger.journal").records()

    assert record.outcome is not None
    assert record.outcome.score.hex() == score.hex()
    assert {n: v.hex() for n, v in record.outcome.measures.items()} == {
        n: v.hex() for n, v in measures.items()
    }
    assert record.settings.lr.hex() == rate.hex()
    assert record.key == trial.key


def test_telling_again_changes_nothing_and_every_outcome_is_one_entry(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    trials = propose(0.1, 1.0, 10.0)
    before = entries_of(tmp_path)
    ledger.add_round(trials)
    assert entries_of(tmp_path) == before + 1
    for count, trial in enumerate(trials, start=1):
        ledger.tell(fabricate(trial.key))
        assert entries_of(tmp_path) == before + 1 + count
    content = (tmp_path / "ledger.journal").read_bytes()
    other = fabricate(trials[0].key).model_copy(update={"score": 9.0})
    for again in (ledger, open_ledger(tmp_path)):
        again.tell(other)
        again.tell_missing(trials[0].key, "too late")
        assert told(again) == {trial.key: fabricate(trial.key) for trial in trials}
    assert (tmp_path / "ledger.journal").read_bytes() == content


def test_an_outcome_replaces_a_failure(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    (trial,) = propose(1.0)
    ledger.add_round([trial])
    ledger.tell_missing(trial.key, "a lost node")
    ledger.tell_missing(trial.key, "lost again")
    assert told(open_ledger(tmp_path)) == {trial.key: "a lost node"}
    ledger.tell(fabricate(trial.key))
    for again in (ledger, open_ledger(tmp_path)):
        assert told(again) == {trial.key: fabricate(trial.key)}
        assert [r.state for r in again.records()] == [TrialState.FINISHED]


def test_optunas_own_api_opens_the_file(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    trials = [*propose(0.1, replicates=2), *propose(5.0, kind="supcon")]
    ledger.add_round(trials)
    for trial in trials[:2]:
        ledger.tell(fabricate(trial.key))
    ledger.tell_missing(trials[2].key, "a lost node")
    study = optuna.load_study(study_name="tiny", storage=open_journal(tmp_path / "ledger.journal"))

    states = [trial.state for trial in study.trials]
    assert states == [OptunaState.COMPLETE, OptunaState.COMPLETE, OptunaState.FAIL]
    assert study.trials[1].params == {"lr": 0.1, "objective.kind": "infonce", "replicate": 1}
    assert study.trials[1].value == fabricate(trials[1].key).score
    assert math.isclose(study.best_value, min(fabricate(t.key).score for t in trials[:2]))
    assert set(study.trials_dataframe()["params_objective.kind"]) == {"infonce", "supcon"}


@pytest.mark.parametrize("override", ["seed=1", "seeds=3", "train.steps=5", "lr.high=50"])
def test_a_changed_study_is_refused_and_nothing_is_written(override: str, tmp_path: Path) -> None:
    open_ledger(tmp_path).add_round(propose(1.0))
    content = (tmp_path / "ledger.journal").read_bytes()
    digests = f"{make_tiny().digest}, but the file now describes {make_tiny(override).digest}"
    with pytest.raises(StudyChangedError, match=digests):
        open_ledger(tmp_path, override)
    assert (tmp_path / "ledger.journal").read_bytes() == content


def test_a_raised_budget_continues_and_is_recorded(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    first.add_round(propose(1.0))
    second = open_ledger(tmp_path, "budget.trials=99")
    assert second.rounds == first.rounds
    assert Ledger.load(tmp_path / "ledger.journal").study.budget.trials == 99


def test_a_comment_in_the_file_continues_too(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    commented = parse_study(TEXT + "# one more thought\n", "tiny.yaml")
    second = Ledger.open(tmp_path / "ledger.journal", commented)
    assert second.identity == first.identity
    assert Ledger.load(tmp_path / "ledger.journal").study.source_text.endswith("thought\n")


@pytest.mark.parametrize("name", ["tiny", "somebody-elses"])
def test_an_optuna_study_of_somebody_else_is_refused_and_left_alone(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.journal"
    foreign = optuna.create_study(storage=open_journal(path), study_name=name)
    foreign.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=1)
    content = path.read_bytes()
    with pytest.raises(LedgerError, match=r"holds an Optuna study that"):
        Ledger.open(path, make_tiny())
    with pytest.raises(LedgerError, match="Rankfall did not write"):
        Ledger.load(path)
    assert path.read_bytes() == content


def test_reading_where_there_is_no_ledger_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger here; 'rankfall run' makes one"):
        Ledger.load(tmp_path / "ledger.journal")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entries", [0, 1, 2, 3, 4])
def test_a_start_that_was_killed_between_two_entries_is_taken_up(
    entries: int, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.journal"
    open_ledger(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    path.write_bytes(b"".join(lines[:entries]))
    ledger = open_ledger(tmp_path)
    ledger.add_round(propose(1.0))
    assert Ledger.load(path).identity == ledger.identity
    assert Ledger.load(path).study == make_tiny()


def test_replicates_share_a_seed_over_points_and_differ_from_each_other() -> None:
    study = make_tiny()
    seeds = [replicate_seed(study, replicate) for replicate in range(50)]
    assert len(set(seeds)) == 50
    assert replicate_seed(make_tiny("budget.trials=99"), 3) == seeds[3]
    assert replicate_seed(make_tiny("seed=1"), 3) != seeds[3]


def test_a_ledger_is_read_where_its_images_are_not(tmp_path: Path) -> None:
    images = tmp_path / "images"
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            (images / split / label).mkdir(parents=True)
            for number in range(8):
                pixels = np.full((8, 8), 10 * number, dtype=np.uint8)
                Image.fromarray(pixels).save(images / split / label / f"{number}.png")
    source = f"{{source: image_folder, folder: {images}, image_size: 8, colour: grey}}"
    text = TEXT.replace("{source: digits}", source).replace("batch_size: 32", "batch_size: 4")
    Ledger.open(tmp_path / "ledger.journal", parse_study(text, "tiny.yaml"))
    images.rename(tmp_path / "elsewhere")

    assert Ledger.load(tmp_path / "ledger.journal").study.name == "tiny"
    with pytest.raises(StudyFileError, match=r"data\.folder"):
        parse_study(text.replace("image_size", "limit: 4, image_size"), "tiny.yaml")
