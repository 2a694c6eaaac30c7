"""The attribute keys in use, for warnings about unknown fields, and all else that rules can name."""

from collections.abc import Collection
from dataclasses import dataclass

from diglot.service.audience import vocabulary
from diglot.service.audience.vocabulary import Vocabulary
from diglot.service.unit_of_work import point_reads, reads
from diglot.storage.contacts import attribute_keys
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant


@dataclass(frozen=True, slots=True)
class AttributeKeys:
    """The use case of attribute keys."""

    engine: Engine

    @point_reads
    async def load_known(self, tenant: Tenant, wanted: Collection[str]) -> frozenset[str] | None:
        """Return the known keys, at least those among the wanted ones; None if there are too many to tell."""
        known = await attribute_keys.load_known_keys(tenant, wanted)
        return None if attribute_keys.is_full(known) else known

    @reads
    async def load_vocabulary(self, tenant: Tenant) -> Vocabulary:
        """Return what rules can name, from one snapshot."""
        return await vocabulary.load_vocabulary(tenant)
