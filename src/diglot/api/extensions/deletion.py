"""The query of deletions that rules may depend on, in every dialect."""

from typing import Annotated

import msgspec
from msgspec import Meta

from diglot.api.annotations import Extension


class DeletionQuery(msgspec.Struct, frozen=True):
    """What to do about rules that exclude what is deleted."""

    force: Extension[
        Annotated[
            bool,
            Meta(
                description="With `false`, nothing is deleted if rules exclude it, and the 409 names their "
                "segments and lists. Otherwise these become invalid and match no contact (an extension)."
            ),
        ]
    ] = True
