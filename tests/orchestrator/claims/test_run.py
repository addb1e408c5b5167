"""Running claims: sweeps in order, results and pictures, resumption, Holm over a folder."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.claims.result import ClaimResult, ClaimVerdict, read_results, write_result
from orchestrator.claims.run import ClaimsDisplay, ClaimsRun, Sweep, run_claims
from orchestrator.claims.scoreboard import (
    build_rows,
    put_between_marks,
    to_content,
    to_markdown,
)
from orchestrator.errors import ClaimResultError, ClaimSizeError, SweepCutError
from orchestrator.lane_plan import LaneRequest
from orchestrator.record import TrialRecord
from orchestrator.sweep import SweepOptions
from search_spaces.claim_load import find_claim, shipped_claims
from search_spaces.claim_size import Size
from search_spaces.study import Study
from tests.orchestrator.claims.laboratory import Truth, sweeping

PNG = b"\x89PNG\r\n\x1a\n"


class Quiet(ClaimsDisplay):
    """Shows nothing; notes what it was told."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int, int]] = []
        self.decided: list[str] = []

    def begin(self, study: Study, number: int, count: int) -> None:
        self.begun.append((study.name, number, count))

    def show_stage(self, text: str) -> None:
        pass

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        pass

    def show_steps(self, member_steps_running: int) -> None:
        pass

    def show_result(self, result: ClaimResult) -> None:
        self.decided.append(result.claim)


def cosine_is_best(record: TrialRecord) -> dict[str, float]:
    better = record.proposal.point["objective.similarity"] == "cosine"
    return {"probe_accuracy": 0.7 + 0.05 * better + 0.001 * record.proposal.replicate * better}


def run(
    folder: Path, sweep: Sweep, *names: str, size: Size = Size.FULL, seed: int = 0
) -> tuple[ClaimsRun, Quiet]:
    options = SweepOptions(folder, LaneRequest(1, 1, 1.0), ["test"], track=False)
    display = Quiet()
    claims = [find_claim(name) for name in names]
    return run_claims(claims, size, seed, options, display, sweep), display


def sweep_by(truth: Truth) -> tuple[Sweep, list[str]]:
    begun: list[str] = []
    return sweeping(truth, begun), begun


def test_a_claim_is_run_decided_written_and_drawn(tmp_path: Path) -> None:
    sweep, begun = sweep_by(cosine_is_best)
    done, display = run(tmp_path, sweep, "clop-metric")
    assert begun == ["clop-metric"]
    assert display.begun == [("clop-metric", 1, 1)]
    assert display.decided == ["clop-metric"]
    (result,) = done.results
    assert result.verdict is ClaimVerdict.SUPPORTED
    assert (result.trials, result.missing, len(result.contrasts[0].seeds)) == (30, 0, 10)
    assert result.contrasts[0].mean == pytest.approx(0.0545)
    claims = [c for c in shipped_claims() if c.paper == result.paper and c.bound is None]
    assert result.p == 2 / 2**10
    assert result.p_holm == pytest.approx(len(claims) * 2 / 2**10)
    assert read_results(tmp_path / "claims") == [result]
    for name in ("clop-metric.full.png", "scoreboard.png"):
        assert (tmp_path / "claims" / name).read_bytes().startswith(PNG)


def always_aligned(_record: TrialRecord) -> dict[str, float]:
    return {"cka_features": 0.9}


def test_claims_that_share_a_study_run_it_once(tmp_path: Path) -> None:
    sweep, begun = sweep_by(always_aligned)
    done, _ = run(tmp_path, sweep, "nscl-temperature", "nscl-loss-gap", size=Size.QUICK)
    assert begun == ["nscl-temperature-quick"]
    verdicts = {result.claim: result.verdict for result in done.results}
    assert verdicts == {
        "nscl-temperature": ClaimVerdict.INCONCLUSIVE,
        "nscl-loss-gap": ClaimVerdict.INCONCLUSIVE,  # nothing was coupled, so nothing checked
    }


def test_another_seed_is_another_study_and_another_file(tmp_path: Path) -> None:
    sweep, begun = sweep_by(cosine_is_best)
    run(tmp_path, sweep, "clop-metric", size=Size.QUICK)
    run(tmp_path, sweep, "clop-metric", size=Size.QUICK, seed=7)
    assert begun == ["clop-metric-quick", "clop-metric-quick-seed7"]
    names = {path.name for path in (tmp_path / "claims").glob("*.json")}
    assert names == {"clop-metric.quick.json", "clop-metric.quick.seed7.json"}


def test_a_later_claim_of_the_paper_is_corrected_with_the_earlier_ones(tmp_path: Path) -> None:
    def both(record: TrialRecord) -> dict[str, float]:
        point = dict(record.proposal.point.coordinates)
        better = "cosine" in point.values() or "orthonormal" in point.values()
        return {"probe_accuracy": 0.7 + 0.05 * better}

    sweep, _ = sweep_by(both)
    first, _ = run(tmp_path, sweep, "clop-metric")
    both_done, _ = run(tmp_path, sweep, "clop-orthonormal")
    before = first.results[0].p_holm
    after = {r.claim: r.p_holm for r in read_results(tmp_path / "claims")}
    assert before == after["clop-metric"]  # the smallest p: as many tests as claims, either way
    assert after["clop-orthonormal"] == before
    assert [r.claim for r in both_done.results] == ["clop-orthonormal"]


def test_a_study_that_ray_cuts_is_tried_again_and_then_left_for_the_next_run(
    tmp_path: Path,
) -> None:
    good, begun = sweep_by(cosine_is_best)
    calls: list[str] = []

    def cutting(study: Study, *rest: object) -> object:
        calls.append(study.name)
        if study.name.startswith("clop-prototypes") or calls.count(study.name) < 2:
            raise SweepCutError("Ray ended")
        return good(study, *rest)  # type: ignore[arg-type]

    done, _ = run(tmp_path, cutting, "clop-orthonormal", "clop-metric")  # type: ignore[arg-type]
    assert calls == ["clop-prototypes"] * 2 + ["clop-metric"] * 2
    assert done.failed == {"clop-prototypes": "Ray ended"}
    assert [result.claim for result in done.results] == ["clop-metric"]
    assert begun == ["clop-metric"]


def test_the_papers_size_is_refused(tmp_path: Path) -> None:
    sweep, begun = sweep_by(cosine_is_best)
    with pytest.raises(ClaimSizeError, match="quick or full, got paper"):
        run(tmp_path, sweep, "clop-metric", size=Size.PAPER)
    assert begun == []


def test_the_scoreboard_names_every_claim_and_prefers_the_full_size(tmp_path: Path) -> None:
    sweep, _ = sweep_by(cosine_is_best)
    run(tmp_path, sweep, "clop-metric", size=Size.QUICK)
    quick = read_results(tmp_path / "claims")
    run(tmp_path, sweep, "clop-metric")
    rows = build_rows(shipped_claims(), read_results(tmp_path / "claims"))
    assert [row.claim.claim for row in rows] == [claim.claim for claim in shipped_claims()]
    found = {row.claim.claim: row.result for row in rows if row.result is not None}
    assert {name: result.size for name, result in found.items()} == {"clop-metric": Size.FULL}
    markdown = to_markdown(rows)
    assert "**supported** |" in markdown
    assert re.search(r"cosine minus Euclidean: \+5\.[45] points \[", markdown)
    assert (
        markdown.count("not run")
        == sum(claim.paper == find_claim("clop-metric").paper for claim in shipped_claims()) - 1
    )
    assert "**inconclusive** (quick)" in to_markdown(build_rows(shipped_claims(), quick))
    content = {row["claim"]: row for row in to_content(rows)}
    assert content["clop-metric"]["result"]["verdict"] == "supported"
    assert content["clop-batch"]["result"] is None
    assert to_markdown(build_rows(shipped_claims(), [])) == ""


def test_a_document_takes_the_scoreboard_between_its_marks_and_keeps_the_rest() -> None:
    document = "before\n<!-- claims -->\nold\n<!-- /claims -->\nafter\n"
    changed = put_between_marks(document, "new\ntable")
    assert changed == "before\n<!-- claims -->\nnew\ntable\n<!-- /claims -->\nafter\n"
    assert put_between_marks(changed, "new\ntable") == changed
    for wrong in ("no marks", "<!-- /claims -->\n<!-- claims -->", document + document):
        with pytest.raises(ValueError, match="expected"):
            put_between_marks(wrong, "x")


def test_a_file_that_is_no_result_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ClaimResultError, match=r"x\.json: is not the result of a claim"):
        read_results(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    sweep, _ = sweep_by(cosine_is_best)
    done, _ = run(tmp_path / "results", sweep, "clop-metric", size=Size.QUICK)
    with pytest.raises(ClaimResultError, match="cannot be written"):
        write_result(done.results[0], blocked)
