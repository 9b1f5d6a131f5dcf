"""The files generated from the contract."""

from devstack.checks import generated


def test_generated_files_are_up_to_date() -> None:
    assert not generated.stale(), "Run ./dev generate, and commit what it writes."
