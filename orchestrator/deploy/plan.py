"""What a manifest is made from: the study's text, and the cluster that it shall get."""

import re
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

from orchestrator.deploy.names import resource_name
from orchestrator.errors import DeployError

# registry.example:5000/group/name:tag or @sha256:..., without what a shell or YAML could see in it.
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-/:]*(@sha256:[0-9a-f]{64})?")
_CLAIM = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_MOST_TEXT_BYTES = 900_000


@dataclass(frozen=True, slots=True)
class StudyText:
    """A study as it travels.

    Attributes:
        study: Its name.
        digest: What it asks.
        text: Its file's content.

    Raises:
        DeployError: If the text is too long for a ConfigMap (1 MiB with all that is in it).
    """

    study: str
    digest: str
    text: str

    def __post_init__(self) -> None:
        size = len(self.text.encode())
        if size > _MOST_TEXT_BYTES:
            raise DeployError(
                f"study {self.study}: its file has {size:,} bytes, and a manifest takes "
                f"{_MOST_TEXT_BYTES:,}: put it on the results volume and use 'rankfall submit'"
            )

    @property
    def name(self) -> str:
        """What Kubernetes and Compose call it."""
        return resource_name(self.study)


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """The Ray cluster of a study; every pod gets the same.

    Attributes:
        image: Container image that has Rankfall, Ray and Python.
        workers: Pods beside the head, which trains as well.
        cpus: CPUs of each pod.
        memory_gib: Memory of each pod.
        gpus: NVIDIA GPUs of each pod.
        claim: PersistentVolumeClaim that holds the results; all pods mount it.
        tracking_uri: MLflow's server; None writes no runs.

    Raises:
        DeployError: If image, claim or address cannot be such.
    """

    image: str
    workers: int = 1
    cpus: int = 4
    memory_gib: int = 16
    gpus: int = 0
    claim: str = "rankfall-results"
    tracking_uri: str | None = None

    def __post_init__(self) -> None:
        if not _IMAGE.fullmatch(self.image):
            raise DeployError(
                f"--image {self.image!r}: expected an image's name, e.g. {default_image()}"
            )
        if not _CLAIM.fullmatch(self.claim):
            raise DeployError(
                f"--claim {self.claim!r}: expected a PersistentVolumeClaim's name: small letters, "
                "digits, dashes"
            )
        if self.tracking_uri is not None:
            _require_server(self.tracking_uri)


def default_image() -> str:
    """Return what ``deploy/README.md`` calls the image of this version."""
    return f"rankfall:{version('rankfall')}"


def ray_version() -> str:
    """Return the version of Ray that Rankfall pins; the image has the same."""
    return version("ray")


def _require_server(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeployError(
            f"--tracking-uri {uri!r}: expected the address of an MLflow server, e.g. "
            "http://mlflow:5000"
        )
    if parts.username is not None or parts.password is not None:
        raise DeployError(
            "--tracking-uri: a manifest is no place for a password; leave it out of the address "
            "and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD from a Secret"
        )
