"""Notes of rendered clips: what is held out stays out, and clips do not repeat.

No soundfont is needed: notes are drawn, not played.
"""

from collections import Counter
from typing import Any

import pytest

from trainer.audio_settings import GeneralMidiSettings
from trainer.data.audio.midi_instruments import pick_instruments
from trainer.data.audio.midi_notes import VELOCITIES, Note, NoteDrawer, Notes
from trainer.data.audio.source import SPLITS, Split
from trainer.errors import DataSettingsError

Drawn = dict[Split, list[Notes]]


def drawn(count: int = 400, seed: int = 0, **given: Any) -> Drawn:
    settings = GeneralMidiSettings(**given)
    drawer = NoteDrawer(settings, pick_instruments(settings.instruments), seed)
    return {split: drawer.draw(split, count) for split in SPLITS}


def notes_of(clips: list[Notes]) -> set[Note]:
    return {note for notes in clips for note in notes}


def combinations_of(clips: list[Notes]) -> set[frozenset[int]]:
    return {frozenset(n.instrument for n in notes) for notes in clips if len(notes) > 1}


def is_disjoint(sets: list[Any]) -> bool:
    return len(set().union(*sets)) == sum(len(one) for one in sets)


@pytest.mark.parametrize("held_out", ["notes", "both"])
def test_a_note_sounds_in_one_split_only(held_out: str) -> None:
    assert is_disjoint([notes_of(clips) for clips in drawn(held_out=held_out).values()])


@pytest.mark.parametrize("held_out", ["combinations", "both"])
def test_a_combination_sounds_in_one_split_only(held_out: str) -> None:
    splits = drawn(held_out=held_out, fewest_events=2).values()
    assert is_disjoint([combinations_of(clips) for clips in splits])


def test_held_out_combinations_alone_share_notes_but_for_single_ones() -> None:
    splits = drawn(held_out="combinations").values()
    assert not is_disjoint([notes_of(clips) for clips in splits])
    singles = [{notes for notes in clips if len(notes) == 1} for clips in splits]
    assert is_disjoint([notes_of(list(clips)) for clips in singles])


def test_held_out_notes_alone_share_combinations() -> None:
    given: dict[str, Any] = {"held_out": "notes", "instruments": "percussion"}
    splits = drawn(**given, fewest_events=2, most_events=2).values()
    assert not is_disjoint([combinations_of(clips) for clips in splits])


@pytest.mark.parametrize("held_out", ["notes", "combinations", "both"])
def test_no_clip_comes_twice_in_a_split_or_in_two(held_out: str) -> None:
    splits = drawn(held_out=held_out).values()
    assert all(len(set(clips)) == len(clips) for clips in splits)
    assert is_disjoint([set(clips) for clips in splits])


def test_events_keys_and_velocities_stay_in_their_ranges() -> None:
    instruments = pick_instruments("all")
    clips = [notes for part in drawn(fewest_events=2).values() for notes in part]
    assert {len(notes) for notes in clips} == {2, 3}
    for notes in clips:
        assert len({note.instrument for note in notes}) == len(notes)
        for note in notes:
            instrument = instruments[note.instrument]
            assert instrument.low <= note.key <= instrument.high
            assert note.velocity in VELOCITIES


@pytest.mark.parametrize("split", SPLITS)
def test_clips_of_one_two_and_three_events_are_equally_frequent(split: Split) -> None:
    counts = Counter(len(notes) for notes in drawn(600)[split])
    assert all(150 < counts[events] < 250 for events in (1, 2, 3))


def test_train_clips_know_every_instrument() -> None:
    clips = drawn(2000)["train"]
    assert {note.instrument for note in notes_of(clips)} == set(range(175))


def test_equal_seeds_draw_equal_clips_and_more_clips_keep_the_first() -> None:
    assert drawn(50) == drawn(50)
    assert drawn(50) != drawn(50, seed=1)
    assert drawn(80)["val"][:50] == drawn(50)["val"]


def test_instruments_can_be_picked() -> None:
    for kind, count in (("melodic", 128), ("percussion", 47)):
        notes = notes_of(drawn(instruments=kind)["train"])
        assert max(note.instrument for note in notes) < count


def test_imbalance_makes_instruments_rarer_in_the_train_split_alone() -> None:
    splits = drawn(1000, instruments="percussion", fewest_events=2, imbalance=100.0)
    counts = {
        split: sorted(Counter(n.instrument for clip in clips for n in clip).values())
        for split, clips in splits.items()
    }
    assert counts["train"][-1] > 20 * counts["train"][0]
    assert counts["test"][-1] < 3 * counts["test"][0]


def test_more_clips_than_there_are_is_refused() -> None:
    # 47 keys at 8 velocities, of which 6 train.
    with pytest.raises(DataSettingsError, match=r"train_clips: expected at most about 28[0-2], "):
        drawn(400, instruments="percussion", most_events=1)


def test_clips_of_one_note_run_out_before_clips_of_several() -> None:
    clips = drawn(300, instruments="percussion")["val"]
    assert 40 <= sum(len(notes) == 1 for notes in clips) <= 47


def test_long_clips_have_up_to_eight_events_and_are_held_out_alike() -> None:
    long = drawn(300, fewest_events=4, most_events=8)
    for clips in long.values():
        assert {len(notes) for notes in clips} == {4, 5, 6, 7, 8}
    assert is_disjoint([notes_of(clips) for clips in long.values()])
    assert is_disjoint([combinations_of(clips) for clips in long.values()])
