"""Audio-text members: from wave files and captions to outcomes, whatever the route."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from tests.trainer.cohorts import CPU, make_member, train_by_trial
from tests.trainer.pair_cohorts import make_pair_cohort, tones, write_tones
from trainer.checkpoint import Checkpoints
from trainer.cohort import Cohort, Member, Outcome
from trainer.collapse.regime import Regime
from trainer.data.load_pairs import load_pairs
from trainer.data.pair_data import AUDIO, NO_CLASS, TEXT, PairData
from trainer.data.pair_stream import PairStream
from trainer.loop import Progress, train_cohort
from trainer.stack import Stack

KINDS: dict[str, dict[str, Any]] = {
    "infonce": {},
    "siglip": {},
    "static_svr": {},
    "dynamic_svr": {},
    "vicreg": {},
}
TRAINED: dict[str, Any] = {
    "audio": {"encoder": "conv", "hidden": (8, 8)},
    "text": {"encoder": "transformer", "hidden": (16, 16), "tokens": 8},
}
"""Encoders from scratch, from spectrogram and words."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tones")
    write_tones(path)
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path_factory.getbasetemp() / "pair-cache"))


def crowd(lr: float = 0.003) -> list[Member]:
    return [
        make_member(f"{kind}-{seed}", lr=lr, seed=seed, kind=kind, **settings)
        for kind, settings in KINDS.items()
        for seed in (1, 2)
    ]


def load(cohort: Cohort) -> PairData:
    data = load_pairs(cohort.data, cohort.model, CPU, torch.float32)  # type: ignore[arg-type]
    assert isinstance(data, PairData)
    return data


def test_heads_learn_which_caption_names_which_tone(folder: Path) -> None:
    cohort = make_pair_cohort(crowd(), tones(folder), train={"steps": 60})
    outcomes = train_by_trial(cohort)
    for trial, outcome in outcomes.items():
        assert outcome.regime is not Regime.DIVERGED, trial
        assert outcome.measures["train_loss"] < outcome.initial["train_loss"], trial
    for kind in ("infonce", "static_svr", "dynamic_svr"):
        # 8 test clips: by chance one in 8 is first.
        assert outcomes[f"{kind}-1"].measures["recall_at_1"] > 0.6
        assert outcomes[f"{kind}-1"].initial["recall_at_1"] < 0.4


@pytest.mark.parametrize("encoder", [{}, TRAINED], ids=["features", "trained"])
def test_a_member_has_the_same_bits_alone_and_among_others(
    folder: Path, encoder: dict[str, Any]
) -> None:
    members = crowd()[:6:2]
    steps = {"steps": 5}
    evaluate = {"drift": True, "zero_shot": True}
    together = train_by_trial(
        make_pair_cohort(members, tones(folder), model=encoder, train=steps, evaluate=evaluate)
    )
    for member in members:
        alone = make_pair_cohort(
            [member], tones(folder), model=encoder, train=steps, evaluate=evaluate
        )
        assert train_by_trial(alone) == {member.trial: together[member.trial]}


def test_hard_negatives_and_frozen_features_leave_a_member_its_bits(folder: Path) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "infonce": {},
        "dynamic_svr": {"similarities": "offline"},
        "static_svr": {},
    }
    members = [
        make_member(f"{kind}-{seed}", lr=0.003, seed=seed, kind=kind, **settings)
        for kind, settings in kinds.items()
        for seed in (1, 2)
    ]
    data = tones(folder, hard_negatives=6)
    evaluate = {"drift": True}
    together = train_by_trial(make_pair_cohort(members, data, evaluate=evaluate))
    for member in members:
        alone = make_pair_cohort([member], data, evaluate=evaluate)
        assert train_by_trial(alone) == {member.trial: together[member.trial]}
    plain = make_pair_cohort(members[:1], tones(folder))
    assert train_by_trial(plain)["infonce-1"].measures != together["infonce-1"].measures
    online = make_member("dynamic_svr-1", lr=0.003, seed=1, kind="dynamic_svr")
    other = train_by_trial(make_pair_cohort([online], data, evaluate=evaluate))["dynamic_svr-1"]
    assert other.measures["radius"] != together["dynamic_svr-1"].measures["radius"]


@pytest.mark.parametrize("encoder", [{}, TRAINED], ids=["features", "trained"])
def test_noise_on_the_weights_is_each_members_own_and_none_is_none(
    folder: Path, encoder: dict[str, Any]
) -> None:
    def train(members: list[Member], **noise: float) -> dict[str, Outcome]:
        cohort = make_pair_cohort(members, tones(folder), model=encoder | noise, train={"steps": 5})
        return train_by_trial(cohort)

    wanted = ("infonce-1", "infonce-2", "static_svr-1")
    members = [member for member in crowd() if member.trial in wanted]
    noisy = train(members, weight_noise=0.5)
    for member in members:
        assert train([member], weight_noise=0.5) == {member.trial: noisy[member.trial]}
    clean = train(members)
    assert train(members, weight_noise=0.0) == clean
    for trial, outcome in clean.items():
        assert outcome.initial["train_loss"] != noisy[trial].initial["train_loss"]
    starts = [noisy[name].initial["effective_rank"] for name in wanted]
    assert starts[0] == starts[2] != starts[1]  # by seed, whatever the objective


def test_encoders_from_scratch_learn_from_wave_files_and_words(folder: Path) -> None:
    members = [make_member("a", lr=0.003, kind="infonce", temperature=0.1)]
    cohort = make_pair_cohort(members, tones(folder), model=TRAINED, train={"steps": 80})
    outcome = train_by_trial(cohort)["a"]
    assert outcome.measures["train_loss"] < 0.7 * outcome.initial["train_loss"]
    assert outcome.measures["recall_at_1"] > 0.4


@pytest.mark.parametrize("encoder", [{}, TRAINED], ids=["features", "trained"])
def test_micro_batches_have_the_gradient_of_the_whole_batch(
    folder: Path, encoder: dict[str, Any]
) -> None:
    members = crowd()[::2]
    whole, cut = (
        make_pair_cohort(members, tones(folder), model=encoder, train={"micro_batch_size": size})
        for size in (None, 5)
    )
    data = load(whole)
    stacks = [Stack(cohort, data, CPU, torch.float64) for cohort in (whole, cut)]
    batch = PairStream(data, 16, seed=1).batch_at(0)
    views = batch.views_VBF.double().expand(len(members), -1, -1, -1)
    losses = [stack.step(views, batch.indices_B.expand(len(members), -1)) for stack in stacks]
    assert_close(losses[1], losses[0])
    for name, expected in stacks[0].parameters.items():
        assert_close(stacks[1].parameters[name], expected, rtol=1e-6, atol=1e-9, msg=name)


def test_an_interrupted_cohort_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        if progress.step == 7:
            raise StoppedError

    cohort = make_pair_cohort(crowd()[::2], tones(folder), evaluate={"drift": True})
    whole = train_by_trial(cohort)
    checkpoints = Checkpoints(tmp_path, 0.0)
    with pytest.raises(StoppedError):
        train_cohort(cohort, device=CPU, on_step=interrupt, checkpoints=checkpoints)
    again = train_cohort(cohort, device=CPU, checkpoints=checkpoints)
    assert {o.trial: o.model_copy(update={"seconds": 0.0}) for o in again} == whole


def test_towers_of_one_seed_are_born_different(folder: Path) -> None:
    cohort = make_pair_cohort(
        crowd()[:1], tones(folder), model={"text": {"buckets": 128}, "audio": {"segments": 4}}
    )
    parameters = Stack(cohort, load(cohort), CPU, torch.float32).parameters
    audio, text = parameters["audio/head.0.weight"], parameters["text/head.0.weight"]
    assert audio.shape == text.shape == (1, 128, 16)
    assert not torch.equal(audio, text)


def test_a_batch_pairs_every_clip_with_a_caption_of_its_own(folder: Path) -> None:
    data = load(make_pair_cohort(crowd()[:1], tones(folder)))
    captions = data.splits["train"].captions
    seen: set[int] = set()
    for step in range(150):
        stream = PairStream(data, 16, seed=3)
        batch = stream.batch_at(step)
        texts = batch.views_VBF[TEXT][:, : data.text_width]
        for text_F, clip in zip(texts, batch.indices_B.tolist(), strict=True):
            own = (captions.clip_T == clip).nonzero().flatten()
            matches = [int(t) for t in own if torch.equal(captions.inputs_TF[t], text_F)]
            assert matches, "the caption is one of the clip's"
            seen.add(matches[0])
        positions = data.splits["train"].positions_N[batch.indices_B]
        width = data.clips.plain(positions).shape[1]
        assert torch.equal(batch.views_VBF[AUDIO][:, :width], data.clips.plain(positions))
    assert seen == set(range(len(captions.clip_T))), "captions of both languages are drawn"


def test_batches_are_those_of_their_seed_and_step(folder: Path) -> None:
    data = load(make_pair_cohort(crowd()[:1], tones(folder)))
    first, again = (PairStream(data, 16, seed=1).batch_at(4) for _ in range(2))
    other = PairStream(data, 16, seed=2).batch_at(4)
    assert torch.equal(first.views_VBF, again.views_VBF)
    assert not torch.equal(first.indices_B, other.indices_B)
    epoch = torch.cat([PairStream(data, 16, seed=1).batch_at(s).indices_B for s in range(3)])
    assert sorted(epoch.tolist()) == list(range(48)), "an epoch sees every clip once"


def test_training_and_testing_never_share_a_clip(folder: Path) -> None:
    data = load(make_pair_cohort(crowd()[:1], tones(folder)))
    positions = [set(split.positions_N.tolist()) for split in data.splits.values()]
    assert not positions[0] & positions[1]
    assert not positions[0] & positions[2]
    assert not positions[1] & positions[2]
    assert [len(p) for p in positions] == [48, 8, 8]
    assert NO_CLASS not in data.splits["train"].labels_N.tolist()


def test_retrieval_is_measured_at_checks_for_choices_and_their_worth(folder: Path) -> None:
    cohort = make_pair_cohort(
        crowd()[:1], tones(folder), evaluate={"drift": True, "zero_shot": True}
    )
    outcome = train_by_trial(cohort)["infonce-1"]
    history = outcome.history.values
    assert len(history["val_recall_at_1"]) == 3
    assert history["recall_at_1"][-1] == outcome.measures["recall_at_1"]
    assert {"recall_at_1", "recall_at_1_en", "recall_at_1_de", "zero_shot_accuracy"} <= (
        outcome.measures.keys()
    )
    assert outcome.score == min(
        outcome.measures["effective_rank_audio"], outcome.measures["effective_rank_text"]
    )
    assert {"drift_grad_text", "drift_step_audio", "pair_distance"} <= outcome.measures.keys()


def test_an_untrained_pair_of_collapsed_towers_is_collapsed(folder: Path) -> None:
    cohort = make_pair_cohort(
        [make_member("a", lr=300.0, kind="infonce")], tones(folder), train={"steps": 20}
    )
    outcome = train_by_trial(cohort)["a"]
    assert outcome.is_collapsed
