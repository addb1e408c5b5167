"""Batches with hard negatives: a plain composition, epochs, seeds, clips of one name."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from trainer.data.batches import draw_rows
from trainer.data.hard_negatives import HardNegatives, Namesakes
from trainer.seeds import generator_for


def random_rows(clips: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(clips, 6, generator=generator), dim=-1)


def composer(hardest: int, rows_NC: Tensor, names: Sequence[str] | None = None) -> HardNegatives:
    """Return a composer of clips of one caption each, all different unless named."""
    texts = [str(clip) for clip in range(len(rows_NC))] if names is None else list(names)
    return HardNegatives(hardest, rows_NC, Namesakes.of(texts, range(len(texts))))


def compose_plainly(
    rows_NC: Tensor, names: Sequence[str], hardest: int, size: int, seed: int, epoch: int
) -> Iterator[set[int]]:
    """Yield an epoch's batches, written with lists after the definition."""
    order = torch.randperm(len(rows_NC), generator=generator_for(seed, "epoch", epoch)).tolist()
    waiting = list(order)
    rows = rows_NC.double()
    for _ in range(len(order) // size):
        anchor = waiting[0]
        negatives = [clip for clip in waiting if names[clip] != names[anchor]]
        negatives.sort(key=lambda clip: (-float(rows[clip] @ rows[anchor]), clip))
        batch = [anchor, *negatives[:hardest]]
        batch += [clip for clip in waiting if clip not in batch][: size - len(batch)]
        waiting = [clip for clip in waiting if clip not in batch]
        yield set(batch)


@settings(max_examples=30, deadline=None)
@given(
    clips=st.integers(4, 40),
    size=st.integers(2, 12),
    hardest=st.integers(1, 11),
    classes=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_batches_are_those_of_a_plain_composition(
    clips: int, size: int, hardest: int, classes: int, seed: int
) -> None:
    size = min(size, clips)
    hardest = min(hardest, size - 1)
    rows_NC = random_rows(clips, seed)
    names = [str(clip % classes) for clip in range(clips)]
    composed = composer(hardest, rows_NC, names).compose_epoch(size, seed, epoch=2)
    expected = compose_plainly(rows_NC, names, hardest, size, seed, epoch=2)
    assert [set(batch) for batch in composed.tolist()] == list(expected)
    assert composed.shape == (clips // size, size)
    assert len(set(composed.flatten().tolist())) == composed.numel()


def test_no_hard_negatives_are_the_plain_batches() -> None:
    hard = composer(0, random_rows(20))
    for step in range(8):
        plain = draw_rows(20, 6, 5, step)
        assert set(hard.draw_rows(6, 5, step).tolist()) == set(plain.tolist())


def test_steps_give_the_same_batches_in_any_order_and_for_any_other_seeds_beside() -> None:
    rows_NC = random_rows(30)
    once = composer(4, rows_NC)
    drawn = {(seed, step): once.draw_rows(8, seed, step) for step in range(9) for seed in (1, 2)}
    for seed, step in reversed(list(drawn)):
        again = composer(4, rows_NC).draw_rows(8, seed, step)
        assert torch.equal(again, drawn[seed, step])
        assert torch.equal(once.draw_rows(8, seed, step), drawn[seed, step])
    assert not torch.equal(drawn[1, 0], drawn[2, 0])
    assert not torch.equal(drawn[1, 0], drawn[1, 3])  # the first batches of two epochs


def test_clips_of_one_caption_are_no_hard_negatives_of_each_other() -> None:
    # Eight pairs of twins: the nearest of each is its twin, which names the same sound.
    rows_NC = random_rows(8).repeat_interleave(2, dim=0)
    names = [str(clip // 2) for clip in range(16)]
    batches = composer(1, rows_NC, names).compose_epoch(2, seed=0, epoch=0)
    assert all(first // 2 != second // 2 for first, second in batches.tolist()[:-1])
    without_names = composer(1, rows_NC).compose_epoch(2, seed=0, epoch=0)
    assert all(first // 2 == second // 2 for first, second in without_names.tolist())


def test_namesakes_share_one_of_their_captions() -> None:
    names = Namesakes.of(["a dog", "barking", "barking", "a cat", "a cat"], [0, 0, 1, 2, 2])
    assert [set(names.of_clip(clip).tolist()) for clip in range(3)] == [{0, 1}, {0, 1}, {2}]


@pytest.mark.parametrize("hardest", [3, 6, 11])
def test_more_hard_negatives_make_batches_more_alike(hardest: int) -> None:
    rows_NC = random_rows(240)

    def likeness(batches: Tensor) -> float:
        return float(torch.stack([(rows_NC[b] @ rows_NC[b].mT).mean() for b in batches]).mean())

    plain = likeness(composer(0, rows_NC).compose_epoch(12, 0, 0))
    fewer = likeness(composer(hardest // 2, rows_NC).compose_epoch(12, 0, 0))
    more = likeness(composer(hardest, rows_NC).compose_epoch(12, 0, 0))
    assert plain < fewer < more


def test_the_place_in_a_batch_says_nothing_of_who_is_hard() -> None:
    # Were the anchor always first, DynamicSVR's networks, which read the others in order, knew.
    rows_NC = random_rows(200)
    hard = composer(5, rows_NC)
    order = torch.randperm(200, generator=generator_for(0, "epoch", 0))
    rank = order.argsort()
    firsts = [int(rank[batch].argmin()) for batch in hard.compose_epoch(10, 0, 0)]
    assert len(set(firsts)) > 4
