"""How alembic runs here: on the connection that `migrate` hands it."""

from alembic import context

from diglot.storage.schema import metadata

connection = context.config.attributes["connection"]
report = context.config.attributes["report"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=False,
    transactional_ddl=True,
    on_version_apply=lambda step, **_: report(step.up_revision_id),
)
with context.begin_transaction():
    context.run_migrations()
