"""Programs that write or check files of the repository: `python -m tools.NAME` in the folder tests."""
