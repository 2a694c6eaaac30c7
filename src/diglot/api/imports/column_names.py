"""Names that common tools give the columns of a contact's fields: data for `columns`.

Names are compared without case, white space, hyphens and underscores, so `E-Mail`, `first name` and the
fields' own names need no row. Of several columns that could be one field, the first of its row is taken and
the others stay custom fields. A name that means different things in two tools, such as `Title`, has no row:
presets know it.
"""

from collections.abc import Mapping
from typing import Final

KNOWN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "email": (
        *(
            "Email Address",
            "E-mail Address",
            "Primary Email",
            "Email 1",
            "E-mail 1 - Value",
            "Email 1 - Value",
        ),
        *("Subscriber Email", "Contact Email", "User Email", "Customer Email", "Work Email", "Mail"),
    ),
    "first_name": ("FNAME", "Given Name", "Forename", "First"),
    "last_name": ("LNAME", "Family Name", "Surname", "Last"),
    "phone": (
        *("Phone Number", "Mobile Phone Number", "Mobile Phone", "Mobile Number", "Mobile", "Business Phone"),
        *("Work Phone", "Home Phone", "Primary Phone", "Phone 1 - Value", "Telephone", "Telephone Number"),
        *("Cell Phone", "Cell"),
    ),
    "company": (
        *("Company name", "Organization", "Organization Name", "Organisation", "Organisation Name"),
        *("Organization 1 - Name", "Account Name", "Associated Company", "Business Name", "Employer"),
    ),
    "job_title": ("Organization Title", "Organization 1 - Title"),
    "tags": ("Tag", "Contact Tags"),
}
