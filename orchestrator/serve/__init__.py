"""The service of a lab on one machine: Ray head, MLflow server, scheduler."""
