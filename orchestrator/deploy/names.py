"""Names that Kubernetes and Compose take, made from names that studies may have."""

import hashlib
import re

MOST_CHARACTERS = 30
"""KubeRay refuses RayJobs beyond 47, and a RayCronJob's jobs are called after it and a time."""

_HASH_CHARACTERS = 6


def resource_name(study: str) -> str:
    """Return a DNS-1035 label of at most 30 characters, different for different studies.

    Studies may have capitals and underscores, labels may not: ``A_b`` and ``a-b`` must not meet,
    so what had to be changed carries a hash of the name.

    References:
        RFC 1035, section 2.3.1; KubeRay checks it for RayJobs (``IsDNS1035Label``).
    """
    label = re.sub(r"[^a-z0-9]+", "-", study.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"study-{label}".rstrip("-")
    if label == study and len(label) <= MOST_CHARACTERS:
        return label
    mark = hashlib.sha256(study.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{label[: MOST_CHARACTERS - _HASH_CHARACTERS - 1].rstrip('-')}-{mark}"
