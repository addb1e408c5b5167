"""``rankfall doctor``: whether studies can run here, before anything is spent."""

import typer

from orchestrator.cli_data import DEFAULT_FOLDER, FolderOption
from orchestrator.cli_jobs import AddressOption
from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    EXIT_FAILED,
    JsonOption,
    ResultsOption,
    print_value,
    refusing_bad_input,
)
from orchestrator.cli_schedule import StoreOption

app = typer.Typer()


@app.command(epilog="Example: rankfall doctor --results /shared/maps --address http://head:8265")
def doctor(
    results: ResultsOption = DEFAULT_RESULTS,
    data: FolderOption = DEFAULT_FOLDER,
    address: AddressOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check versions, disk, memory, ports, cluster, MLflow, schedules and data; change nothing.

    Ends with 1 if something will not work, 0 otherwise.
    """
    with refusing_bad_input():
        from orchestrator.cluster_address import choose_address  # noqa: PLC0415
        from orchestrator.doctor.examine import (  # noqa: PLC0415
            Patient,
            examine,
            show_findings,
            to_rows,
        )
        from orchestrator.doctor.finding import Health, worst  # noqa: PLC0415

        findings = list(examine(Patient(results, data, choose_address(address), store)))
        print_value(to_rows(findings), as_json, show_findings)
    if worst(findings) is Health.FAIL:
        raise typer.Exit(EXIT_FAILED)
