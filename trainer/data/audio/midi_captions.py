"""Captions of rendered clips, from templates in six languages.

The templates of a position mean the same in all languages, so a clip's captions are translations
of each other. Names stand in the nominative everywhere, so templates ask for no other case.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.data.audio.midi_instruments import Instrument
from trainer.data.audio.midi_notes import Notes

FRAME_COUNT = 5


@dataclass(frozen=True, slots=True)
class _Language:
    """How one language frames, joins and describes.

    Attributes:
        frames: Around the whole caption.
        joints: Between two events.
        low, high: Registers of a melodic instrument.
        soft, loud: Touch of any.
        both: Between register and touch.
        aside: Around register and touch, after a name.
    """

    frames: tuple[str, str, str, str, str]
    joints: tuple[str, str, str]
    low: str
    high: str
    soft: str
    loud: str
    both: str
    aside: str


_LANGUAGES = {
    "en": _Language(
        frames=(
            "{}",
            "you can hear {}",
            "this is a sound of {}",
            "a sound example: {}",
            "a recording of {}",
        ),
        joints=(", then ", ", followed by ", ", and after that "),
        low="low",
        high="high",
        soft="soft",
        loud="loud",
        both=" and ",
        aside=", {}",
    ),
    "de": _Language(
        frames=(
            "{}",
            "zu hören ist {}",
            "hier ertönt {}",
            "ein Klangbeispiel: {}",
            "eine Tonaufnahme: {}",
        ),
        joints=(", dann ", ", anschließend ", ", und danach "),
        low="tief",
        high="hoch",
        soft="leise",
        loud="laut",
        both=" und ",
        aside=", {}",
    ),
    "fr": _Language(
        frames=(
            "{}",
            "on entend {}",
            "voici le son suivant : {}",
            "un exemple sonore : {}",
            "un enregistrement : {}",
        ),
        joints=(", puis ", ", ensuite ", ", et après cela "),
        low="dans le grave",
        high="dans l'aigu",
        soft="doucement",
        loud="fort",
        both=" et ",
        aside=", {}",
    ),
    "es": _Language(
        frames=(
            "{}",
            "se oye {}",
            "aquí suena {}",
            "un ejemplo sonoro: {}",
            "una grabación: {}",
        ),
        joints=(", luego ", ", después ", ", y a continuación "),
        low="en el registro grave",
        high="en el registro agudo",
        soft="suave",
        loud="fuerte",
        both=" y ",
        aside=", {}",
    ),
    "ru": _Language(
        frames=(
            "{}",
            "на записи {}",
            "это звук: {}",
            "пример звучания: {}",
            "запись: {}",
        ),
        joints=(", затем ", ", потом ", ", а после этого "),
        low="низко",
        high="высоко",
        soft="тихо",
        loud="громко",
        both=" и ",
        aside=", {}",
    ),
    "zh": _Language(
        frames=(
            "{}",
            "可以听到{}",
            "这是{}的声音",
            "声音示例：{}",
            "一段录音：{}",
        ),
        joints=("，然后是", "，接着是", "，之后是"),
        low="低音区",
        high="高音区",
        soft="轻声",
        loud="响亮",
        both="、",
        aside="（{}）",
    ),
}


def write_captions(
    notes: Notes,
    instruments: Sequence[Instrument],
    language: str,
    *,
    count: int,
    touch: bool,
    seed: int,
) -> tuple[str, ...]:
    """Return different captions of a clip.

    Args:
        notes: In the order they sound.
        instruments: Which the notes name by position.
        language: One of the six.
        count: At most FRAME_COUNT.
        touch: Whether to say low or high (the outer thirds of the instrument's range) and soft
            or loud (the three lowest and the three highest of eight velocities).
        seed: Draws frames and joints, the same for all languages.
    """
    words = _LANGUAGES[language]
    rng = random.Random(seed)
    order = sorted(range(FRAME_COUNT), key=lambda _: rng.random())
    described = [
        instruments[note.instrument].names[language]
        + (_describe(note.key, note.velocity, instruments[note.instrument], words) if touch else "")
        for note in notes
    ]
    captions: list[str] = []
    for frame in order[:count]:
        joint = words.joints[int(rng.random() * len(words.joints))]
        captions.append(words.frames[frame].format(joint.join(described)))
    return tuple(captions)


def _describe(key: int, velocity: int, instrument: Instrument, words: _Language) -> str:
    parts: list[str] = []
    third = (instrument.high - instrument.low) / 3
    if third and key < instrument.low + third:
        parts.append(words.low)
    elif third and key > instrument.high - third:
        parts.append(words.high)
    if velocity <= 62:
        parts.append(words.soft)
    elif velocity >= 101:
        parts.append(words.loud)
    return words.aside.format(words.both.join(parts)) if parts else ""
