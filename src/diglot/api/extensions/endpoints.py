"""All calls that Diglot adds to a dialect, in the order of the documents."""

from diglot.api.endpoint import Endpoint
from diglot.api.extensions import changes, dry_run, events, explain, export, imports, received_webhooks
from diglot.api.extensions.analysis import contact_segments, overlaps, sizes, snapshots
from diglot.api.extensions.format import ExtensionFormat


def build_endpoints(form: ExtensionFormat) -> tuple[Endpoint, ...]:
    """Return the extensions of a dialect."""
    return (
        explain.build_endpoint(form),
        dry_run.build_endpoint(form),
        *changes.build_endpoints(form),
        overlaps.build_endpoint(form),
        sizes.build_endpoint(form),
        snapshots.build_endpoint(form),
        contact_segments.build_endpoint(form),
        *events.build_endpoints(form),
        export.build_endpoint(form),
        *imports.build_endpoints(form),
        received_webhooks.build_endpoint(form.received, form.write_scope, form.define_answer, form.envelope),
    )
