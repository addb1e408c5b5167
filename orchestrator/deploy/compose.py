"""A service for ``deploy/compose.yaml`` that submits one study to its Ray cluster.

Used as a second file, ``docker compose -f deploy/compose.yaml -f STUDY.yaml run --rm NAME``: it
takes network, volume and token of the first.

References:
    Compose specification, github.com/compose-spec/compose-spec: ``configs`` with ``content``
    (Docker Compose 2.23.1), interpolation (``$$`` is a dollar).
"""

from orchestrator.deploy.plan import StudyText
from orchestrator.deploy.pods import PROGRAM, RESULTS_FOLDER, STUDY_FILE, STUDY_FOLDER, Manifest

_PYTHON = "/opt/rankfall/bin/python"


def compose_study(study: StudyText, image: str) -> Manifest:
    """Return the Compose file of one study."""
    path = f"{STUDY_FOLDER}/{STUDY_FILE}"
    options = ["--address", "http://ray-head:8265", "--results", RESULTS_FOLDER]
    command = [PROGRAM, "submit", path, *options, "--python", _PYTHON, "--yes", "--wait"]
    config = f"{study.name}-study"
    service: Manifest = {
        "image": image,
        "profiles": ["study"],  # not with every 'up'
        "command": command,
        "init": True,
        "environment": {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "${RAY_AUTH_TOKEN:?see deploy/.env.example}",
            "MLFLOW_TRACKING_URI": "http://mlflow:5000",
            "OMP_NUM_THREADS": "1",
        },
        "configs": [{"source": config, "target": path}],
        "volumes": [f"results:{RESULTS_FOLDER}"],
        "depends_on": {"ray-head": {"condition": "service_healthy"}},
        "labels": {"rankfall.study": _escape(study.study), "rankfall.digest": study.digest},
    }
    return {
        "services": {study.name: service},
        "configs": {config: {"content": _escape(study.text)}},
        "volumes": {"results": {}},
    }


def _escape(text: str) -> str:
    return text.replace("$", "$$")
