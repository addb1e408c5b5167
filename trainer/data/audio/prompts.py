"""The sentence that stands for a class when sounds are classified without training on classes."""

from collections.abc import Sequence

_TEMPLATES = {
    "en": "This is a sound of {}",
    "de": "Dies ist ein Geräusch: {}",
    "fr": "Voici un son : {}",
    "es": "Este es un sonido de {}",
    "ru": "Это звук: {}",
    "zh": "这是{}的声音",
}


def prompts(class_names: Sequence[str], language: str) -> tuple[str, ...]:
    """Return one prompt per class, in their order.

    English has SupCLAP's "This is a sound of {label}"; the others are translations that leave a
    name in the nominative, as it stands in the sources. In a language without a translation the
    prompt is the bare name.

    Args:
        class_names: What each class is called in ``language``.
        language: Two letters (ISO 639-1).

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033 (prompt of its zero-shot classification).
    """
    template = _TEMPLATES.get(language, "{}")
    return tuple(template.format(name) for name in class_names)
