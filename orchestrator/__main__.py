"""``python -m orchestrator``: the command line with an interpreter of one's choice, as jobs do."""

from orchestrator.cli import main

if __name__ == "__main__":
    main()
