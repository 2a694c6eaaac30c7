"""Rejected conditions with the paths of their faults, and accepted ones at the limits."""

import pytest

from diglot.errors import InvalidInput
from support import canonical, spec_data


@pytest.mark.parametrize("refusal", spec_data.refusals(), ids=lambda refusal: refusal.name)
def test_a_rejection_names_every_fault(refusal: spec_data.Refusal) -> None:
    """The faults are exactly those of the row, in the order of the document."""
    with pytest.raises(InvalidInput) as refused:
        canonical.read(refusal.condition, spec_data.DEFAULT_ZONE)
    assert tuple(fault.path for fault in refused.value.faults) == refusal.paths
    assert all(fault.message for fault in refused.value.faults)


@pytest.mark.parametrize("acceptance", spec_data.acceptances(), ids=lambda acceptance: acceptance.name)
def test_an_acceptance_is_accepted(acceptance: spec_data.Acceptance) -> None:
    """A condition at the limit of what is legal passes."""
    canonical.read(acceptance.condition, spec_data.DEFAULT_ZONE)
