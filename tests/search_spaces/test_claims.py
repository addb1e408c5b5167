"""The shipped claims: each is valid at every size and can be planned; mistakes are named."""

import pytest

from orchestrator.planners.forecast import forecast
from search_spaces.claim import Claim
from search_spaces.claim_load import (
    CLAIMS,
    STUDIES,
    find_claim,
    load_sized_study,
    parse_claim,
    shipped_claims,
)
from search_spaces.claim_size import Size
from search_spaces.errors import ClaimNotFoundError, StudyContentError
from search_spaces.load import load_study
from trainer.settings import ModelSettings

OF_THE_PAPERS = {
    "clop-critical-lr clop-accuracy clop-orthonormal clop-lambda clop-metric clop-augment "
    "clop-batch clop-theory clop-degrade",
    "nscl-aligned nscl-temperature nscl-classes nscl-batch nscl-weights nscl-loss-gap",
}
TEXT = (CLAIMS / "clop-metric.yaml").read_text()
CLAIM_PARAMS = [pytest.param(claim, id=claim.claim) for claim in shipped_claims()]


def test_every_claim_of_clop_and_of_cl_and_nscl_is_there_and_named_after_its_file() -> None:
    names = {claim.claim for claim in shipped_claims()}
    assert names >= {name for paper in OF_THE_PAPERS for name in paper.split()}
    assert {path.stem for path in CLAIMS.glob("*.yaml")} == names


@pytest.mark.parametrize("claim", CLAIM_PARAMS)
def test_every_size_is_valid_and_can_be_planned(claim: Claim) -> None:
    names = set()
    for size in Size:
        study = load_sized_study(claim, size)
        names.add(study.name)
        planned = forecast(study)
        assert planned.trials > 0
        assert not planned.is_cut_by_budget, f"{size}: raise budget.trials"
    assert len(names) == len(Size), "sizes would share a folder"


@pytest.mark.parametrize("claim", CLAIM_PARAMS)
def test_the_full_size_has_seeds_enough_for_a_verdict_and_the_papers_its_setting(
    claim: Claim,
) -> None:
    full, paper = (load_sized_study(claim, size) for size in (Size.FULL, Size.PAPER))
    assert full.replicates >= 9
    if claim.paper.startswith("CL"):
        settings = paper.settings_at(paper.corner(paper.kinds[0]))
        assert isinstance(settings.model, ModelSettings)
        assert settings.model.encoder == "resnet50"
        assert settings.data.source == "cifar100"
        assert settings.train.optimizer == "lars"
        batch = [axis for axis in paper.axes if axis.path == "train.batch_size"]
        assert 1024 in (batch[0].grid() if batch else (settings.train.batch_size,))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("figure:", "figur:", r"metric\.yaml:4: figur: unknown key.*did you mean figure\?"),
        ("measure: probe_accuracy", "measure: knn", r"contrasts\.0\.measure: expected one of knn_"),
        ("expect: above", "expect: higher", r"contrasts\.0\.expect: expected one of above, below"),
        ("expect: above", "expect: near", r"contrasts\.0: margin belongs to expect: near"),
        ("contrasts:", "also:", "expected contrasts or a bound to decide by"),
        ('figure: "Table 8b"\n', "", "figure: missing; add this key"),
        ("study: clop-metric", "study: a/b", "study: expected letters, digits"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(old: str, new: str, complaint: str) -> None:
    with pytest.raises(StudyContentError, match=complaint):
        parse_claim(TEXT.replace(old, new, 1), "metric.yaml")


@pytest.mark.parametrize("text", ["", "- a\n- b\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(StudyContentError, match="expected a mapping that starts with"):
        parse_claim(text, "x.yaml")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("similarity: cosine", "similarity: dot", "contrasts.0.of: objective.similarity: dot is"),
        ("objective.similarity: cosine", "lr: 0.1", "lr is no axis of study clop-metric"),
        ("measure: probe_accuracy", "measure: cka_features", "cka_features needs align"),
        ("measure: probe_accuracy", "measure: nccc_accuracy", "needs evaluate.nccc in study"),
        ("measure: probe_accuracy", "measure: critical_lr", "critical_lr needs lr on an axis"),
    ],
)
def test_a_claim_that_its_study_cannot_decide_is_refused(
    old: str, new: str, complaint: str
) -> None:
    claim = parse_claim(TEXT.replace(old, new, 1), "metric.yaml")
    with pytest.raises(StudyContentError, match=complaint):
        load_sized_study(claim, Size.FULL)


def test_an_unknown_claim_is_answered_with_the_nearest() -> None:
    with pytest.raises(ClaimNotFoundError, match="did you mean clop-metric"):
        find_claim("clop-metrics")


def test_supcon_with_all_labels_is_the_study_it_was_before_label_fractions() -> None:
    plain = load_study(STUDIES / "demo.yaml", ["objective.kind=supcon"])
    said = load_study(
        STUDIES / "demo.yaml", ["objective.kind=supcon", "objective.label_fraction=1.0"]
    )
    fewer = load_study(
        STUDIES / "demo.yaml", ["objective.kind=supcon", "objective.label_fraction=0.1"]
    )
    assert plain.digest == said.digest
    assert plain.digest != fewer.digest
