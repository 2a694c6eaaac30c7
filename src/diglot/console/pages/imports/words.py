"""Says in words what an import will do with a file, before it does anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from diglot.api.imports.columns import Column, ColumnRole
from diglot.api.imports.review.file_head import FileHead, ReviewedColumn
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.conditions import dates
from diglot.conditions.text import parse_number
from diglot.console.words import name_field
from diglot.model.imports import ImportJob, ImportOptions

_STATUS_FIELDS: Final = ("status", "subscribed")
_READINGS: Final = {
    Reading.OPT_OUT: "yes or a date means {}",
    Reading.CONSENT: "no means {}",
    Reading.EITHER: "words such as “unsubscribed” mean {}",
    Reading.PRESENT: "any value means {}",
    Reading.COUNT: "a number above 0 means {}",
    Reading.HINT: "words such as “unsubscribed” lower it",
    Reading.HINT_NO: "no, or words such as “unsubscribed”, mean {}",
    Reading.HINT_YES: "yes, or words such as “unsubscribed”, mean {}",
    Reading.STATED: "no, or words such as “unsubscribed”, mean {}",
}
# What people who move from a tool overlook, if no column says who opted out.
_TOOL_NOTES: Final = {
    "mailchimp": "Mailchimp exports unsubscribed and cleaned contacts as files of their own. Import these "
    "too, so that nobody of them becomes subscribed by another file.",
}
# How a job is doing, and the colour of its badge.
_STATES: Final = {
    "uploading": ("being sent", ""),
    "ready": ("waits for you", "unsubscribed"),
    "waiting": ("waits for its turn", ""),
    "running": ("in progress", "yes"),
    "done": ("done", "subscribed"),
    "cancelled": ("stopped", ""),
    "failed": ("refused", "bad"),
}


@dataclass(frozen=True, slots=True)
class State:
    """How a job is doing, in words, with the name of a colour."""

    words: str
    colour: str


def say_state(job: ImportJob) -> State:
    """Return how a job is doing."""
    if job.options.dry_run and job.status in ("waiting", "running"):
        return State("is being tried", "yes")
    return State(*_STATES[job.status])


def name_target(column: Column) -> str:
    """Return what a column sets, as a choice names it."""
    if column.opt_out is not None and not _is_hint(column):
        return "Who opted out"
    match column.role:
        case ColumnRole.FIELD:
            return name_field(column.key).capitalize()
        case ColumnRole.ATTRIBUTE:
            return f"Custom field “{column.key}”"
        case ColumnRole.ATTRIBUTES:
            return "Custom fields as JSON"
        case _:
            return "Nothing: left out"


def _is_hint(column: Column) -> bool:
    """Tell whether a column may be about something else, so that only words of opting out lower a status."""
    return column.opt_out is not None and column.kept and column.opt_out.reading is Reading.HINT


def say_column(one: ReviewedColumn, options: ImportOptions) -> str:
    """Return what becomes of the cells of a column."""
    said = _say_role(one, options)
    if one.loses_opt_outs:
        return f"{said} Its name speaks of opting out, and nobody is unsubscribed by it."
    return said


def _say_role(one: ReviewedColumn, options: ImportOptions) -> str:
    column = one.column
    if _is_hint(column):
        return (
            f"Becomes the custom field “{column.key}”. A word in it such as “unsubscribed” lowers the status."
        )
    if column.opt_out is not None:
        kept = f" Kept as the custom field “{column.key}”." if column.kept else ""
        return f"{_say_opt_out(column.opt_out)}.{kept}"
    match column.role:
        case ColumnRole.FIELD:
            return _say_field(column.key, options)
        case ColumnRole.ATTRIBUTE:
            return f"Becomes the custom field “{column.key}”{_say_kind(one.examples)}."
        case ColumnRole.ATTRIBUTES:
            return "Each cell is a JSON object of custom fields."
        case ColumnRole.NAMELESS:
            return "The column has no name, so a row with a cell in it is rejected."
        case _:
            return "Left out."


def _say_field(key: str, options: ImportOptions) -> str:
    if key == "email":
        return "Finds the contact. A new address becomes a new contact."
    if key in _STATUS_FIELDS and options.only_lowers:
        return "Lowers the status, and never subscribes anybody again."
    if key in _STATUS_FIELDS:
        return "Sets the status, also back to subscribed."
    if key == "tags":
        return "Sets the tags, in place of those that the contact has."
    return f"Sets the {name_field(key)}."


def _say_opt_out(column: OptOutColumn) -> str:
    if column.reading is Reading.WORDS:
        told = [
            f"{_list_words(column, status)} {'means ' + status if status else 'changes nothing'}"
            for status in dict.fromkeys(column.words.values())
        ]
        return f"Only lowers the status: {', '.join(told)}; another word refuses the file"
    return f"Only lowers the status: {_READINGS[column.reading].format(column.status)}"


def _list_words(column: OptOutColumn, status: str | None) -> str:
    return " or ".join(f"“{word}”" for word, meant in column.words.items() if meant == status)


def _say_kind(examples: Sequence[str]) -> str:
    """Return how rules will compare values that are stored as text, judged by examples."""
    if examples and all(parse_number(one) is not None for one in examples):
        return ", which rules compare as numbers"
    if examples and all(dates.parse(one) is not None for one in examples):
        return ", which rules compare as dates"
    return ", as text"


def say_file(head: FileHead, options: ImportOptions) -> Sequence[str]:
    """Return what the import does with each contact, as sentences."""
    found = [
        "Contacts that exist already are updated: a cell with a value replaces theirs, an empty one keeps it."
        if options.update_existing
        else "Contacts that exist already are left as they are."
    ]
    if options.tags:
        found.append(f"Every contact gets {_list_tags(options.tags)}.")
    if options.status is not None:
        found.append(f"Every contact is lowered to {options.status}, whatever its columns say.")
    columns = [one.column for one in head.columns]
    lowering = [one.name for one in columns if one.opt_out is not None and not _is_hint(one)]
    if lowering:
        found.append(f"Who opted out stands in {', '.join(f'“{name}”' for name in lowering)}.")
    if options.preset in _TOOL_NOTES and not lowering:
        found.append(_TOOL_NOTES[options.preset])
    if options.only_lowers:
        found.append("Nobody who is unsubscribed, bounced or complained here is subscribed again.")
    else:
        found.append("Contacts that are unsubscribed here are subscribed again if the file says so.")
    return found


def _list_tags(tags: Sequence[str]) -> str:
    return ("the tag " if len(tags) == 1 else "the tags ") + ", ".join(f"“{tag}”" for tag in tags)


def find_risks(head: FileHead) -> Sequence[str]:
    """Return the names of columns whose opt-outs the mapping passes over."""
    return [one.column.name for one in head.columns if one.loses_opt_outs]
