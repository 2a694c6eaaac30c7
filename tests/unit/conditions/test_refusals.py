"""What is refused, where, and what is just accepted."""

import pytest

from diglot.errors import Invalid
from support import canonical, spec_data


@pytest.mark.parametrize("refusal", spec_data.refusals(), ids=lambda refusal: refusal.name)
def test_a_refusal_names_every_fault(refusal: spec_data.Refusal) -> None:
    """The faults are exactly those of the row, in the order of the document."""
    with pytest.raises(Invalid) as refused:
        canonical.read(refusal.condition, spec_data.DEFAULT_ZONE)
    assert tuple(fault.path for fault in refused.value.faults) == refusal.paths
    assert all(fault.message for fault in refused.value.faults)


@pytest.mark.parametrize("acceptance", spec_data.acceptances(), ids=lambda acceptance: acceptance.name)
def test_an_acceptance_is_accepted(acceptance: spec_data.Acceptance) -> None:
    """A condition at the edge of what is legal passes."""
    canonical.read(acceptance.condition, spec_data.DEFAULT_ZONE)
