"""Manifests that run one study unattended: KubeRay's RayJob and RayCronJob, Docker Compose."""
