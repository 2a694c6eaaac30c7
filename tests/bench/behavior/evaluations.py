"""Compares evaluations in full of conditions about events with hand-written SQL on the same tables."""

from dataclasses import dataclass
from typing import Any, Final

from bench.behavior.data import DAY
from bench.membership.meter import Work, cpu
from bench.membership.report import Line, Outcome, at_most, format_time
from bench.membership.store import Store, require_equal
from diglot.background.first_evaluation import FirstEvaluation
from diglot.membership import read
from diglot.model.segments import Condition, OriginalText
from diglot.service.audience.segments import NewSegment
from diglot.storage.background import due_work
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical

ROUNDS: Final = 3
BAR: Final = 2.0
PLAN: Final = {"all": [{"field": "plan", "operator": "equals", "operand": "pro"}]}
PRICE: Final = {"any": [{"field": "price", "operator": "gt", "operand": 150}]}


@dataclass(frozen=True)
class Question:
    """A rule, and the SQL that a person would write: which events count, and what is asked of a contact."""

    what: str
    rule: dict[str, Any]
    having: str
    days: int = 0
    plan: bool = False
    price: bool = False


def _ask(what: str, field: str, operand: float, having: str, **more: Any) -> Question:
    where = {"where": PLAN} if more.get("plan") else {"where": PRICE} if more.get("price") else {}
    operator = "in_last_days" if field.endswith("_at") else "gte"
    return Question(what, {"field": field, "operator": operator, "operand": operand, **where}, having, **more)


QUESTIONS: Final = (
    _ask("count", "events.bought.count", 3, "count(*) >= 3"),
    _ask("count in 30 days", "events.viewed.count.30d", 3, "count(*) >= 3", days=30),
    _ask("last event", "events.bought.last_at", 30, "max(happened_at) >= {since}"),
    _ask("where", "events.viewed.count", 2, "count(*) >= 2", plan=True),
    _ask("where with a number", "events.viewed.count", 2, "count(*) >= 2", price=True),
    _ask("where in 365 days", "events.viewed.count.365d", 2, "count(*) >= 2", plan=True, days=365),
    _ask("sum", "events.bought.sum.price", 500, "sum({price}) >= 500"),
    _ask("sum in 365 days", "events.bought.sum.price.365d", 200, "sum({price}) >= 200", days=365),
    _ask("sum with where", "events.bought.sum.price", 100, "sum({price}) >= 100", plan=True),
)


def write_sql(question: Question, store: Store) -> str:
    """Return the SQL by hand, which finds the keys of the contacts."""
    since = store.now - 30 * DAY
    if store.postgresql:
        plan, price = "body::json #>> '{data,plan}'", "(body::json #>> '{data,price}')::numeric"
    else:
        plan, price = "json_extract(body, '$.data.plan')", "json_extract(body, '$.data.price')"
    tests = [
        f"workspace = {store.main.workspace}",
        f"stream = {1 if 'viewed' in question.rule['field'] else 3}",
    ]
    tests += [f"{plan} = 'pro'"] if question.plan else []
    tests += [f"{price} > 150"] if question.price else []
    tests += [f"happened_at >= {store.now - question.days * DAY}"] if question.days else []
    having = question.having.format(price=price, since=since)
    return f"SELECT pk FROM events WHERE {' AND '.join(tests)} GROUP BY pk HAVING {having}"


async def compare(store: Store) -> Outcome:
    """Compare each question, and tell how long a segment takes until its members are stored."""
    lines, details = [], []
    for question in QUESTIONS:
        lines.append(await _compare(store, question))
        details.append(await _create(store, question))
    return Outcome(lines, "\n".join(details))


async def _compare(store: Store, question: Question) -> Line:
    node, sql = canonical.read(question.rule), write_sql(question, store)
    found: list[int] = []

    async def evaluate(tenant: Tenant) -> None:
        members = await read.evaluate_condition(tenant, node, store.now, store.main.zone)
        found[:] = [len(members)]

    async def ours(times: int) -> None:
        for _ in range(times):
            await store.engine.read(bind_workspace(store.main.workspace, evaluate))

    sides: dict[str, Work] = {"ours": ours, "raw": store.raw.query_work(sql, ())}
    compared = await store.meter.compare(sides, ROUNDS, 1)
    require_equal(question.what, found[0], by_hand=len(await store.raw.rows(sql)))
    return at_most(
        f"evaluation of {question.what}, compared with hand-written SQL, CPU",
        format_time(compared.median("ours", cpu)),
        format_time(compared.median("raw", cpu)),
        compared.ratios("ours", "raw", cpu),
        BAR,
    )


async def _create(store: Store, question: Question) -> str:
    """Create a segment, evaluate it as the background does, and delete it."""
    condition = Condition(canonical.read(question.rule), OriginalText("canonical", "{}"))
    segments, made = store.segments(), list[Any]()

    async def create() -> None:
        made.append(await segments.create(store.main, NewSegment(question.what, condition)))

    async def evaluate() -> None:
        evaluation = FirstEvaluation(store.engine.in_background(), lambda: store.now)
        for place in await store.engine.read(due_work.list_pending_segments):
            await evaluation.run(place)

    created, evaluated = await store.meter.cost(create), await store.meter.cost(evaluate)
    await segments.delete(store.main, made[0].id)
    times = format_time(created.wall), format_time(evaluated.wall)
    return f"- {question.what}: created in {times[0]}, its members and its index stored {times[1]} later"
