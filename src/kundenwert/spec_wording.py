"""From a TOML file to tables, and from what pydantic found wrong to sentences that a person can act on."""

import datetime
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from kundenwert.errors import SpecError, did_you_mean
from kundenwert.spec_values import EMPTY_LIST

_KINDS = {
    "string_type": "text in quotes",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, or a `SpecError` that says which line is broken."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # editors on Windows put a mark at the start that TOML refuses
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise SpecError(
            str(path), [f"there is no such file.{did_you_mean(path.name, near) or ' Check the path.'}"]
        ) from None
    except IsADirectoryError:
        raise SpecError(str(path), ["this is a folder. Name one .toml file in it."]) from None
    except PermissionError:
        raise SpecError(str(path), ["this file may not be read. Check its permissions."]) from None
    except UnicodeDecodeError as error:
        raise SpecError(str(path), [f"byte {error.start + 1} is not UTF-8. Save the file as UTF-8."]) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(str(path), [f"this is not TOML: {_syntax(str(error), text)}"]) from None


def _syntax(message: str, text: str) -> str:
    """The parser's message with the line itself behind it."""
    head, _, tail = message.partition(" (at ")
    lines = text.splitlines() or [""]
    number = int(tail.split()[1].rstrip(",")) if tail.startswith("line ") else len(lines)
    return f"{head} in line {number}: {lines[number - 1].strip()}"


def given_keys(mapping: Mapping[str, Any], prefix: str = "") -> frozenset[str]:
    """Dotted keys of the leaves; a list of tables counts as one key.

    >>> sorted(given_keys({"name": "a", "data": {"source": "x"}, "levers": [{"name": "mail"}]}))
    ['data.source', 'levers', 'name']
    """
    keys: set[str] = set()
    for key, entry in mapping.items():
        dotted = f"{prefix}{key}"
        keys |= given_keys(entry, f"{dotted}.") if isinstance(entry, Mapping) else {dotted}
    return frozenset(keys)


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence per mistake: the dotted key, the cause, the way out.

    Parameters
    ----------
    error : what pydantic found.
    model : the class that was validated; its fields are the known keys.
    """
    known = known_keys(model)
    found = (_sentence(dict(item), known) for item in error.errors(include_url=False))
    return list(dict.fromkeys(found))


def known_keys(model: type[BaseModel], prefix: str = "") -> tuple[str, ...]:
    """Every dotted key and table that a spec may hold, in the order of the file."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(f"{prefix}{name}")
        for table in _tables(field.annotation):
            keys.extend(known_keys(table, f"{prefix}{name}."))
    return tuple(keys)


def _tables(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in get_args(annotation) for table in _tables(inner)]


def _sentence(item: dict[str, Any], known: tuple[str, ...]) -> str:
    location = item["loc"]
    key = _dotted(location)
    kind: str = item["type"]
    if kind == "extra_forbidden":
        return _unknown(location, known)
    if kind == "missing":
        return _missing(key)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key}: {_shown(item['input'])} is not a table. Write [{key}] and its keys below."
    return f"{key}: {_cause(item)}"


def _cause(item: dict[str, Any]) -> str:
    kind: str = item["type"]
    context = item.get("ctx", {})
    shown = _shown(item["input"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        hint = did_you_mean(str(item["input"]), choices)
        return f"{shown} is not known.{hint} Use one of {', '.join(choices)}."
    if kind in _KINDS:
        return f"{shown} is not {_KINDS[kind]}."
    if kind == "finite_number":
        return f"{shown} is not a finite number."
    if kind == "string_too_short":
        return "empty text says nothing. Write a name or leave the key out."
    if kind == "too_short":
        return EMPTY_LIST
    if kind == "too_long":
        return f"{context['actual_length']} entries are too many: {context['max_length']} at most."
    bounds = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    for short, words in bounds.items():
        if short in context:
            return f"{shown} is not possible: it must be {words} {context[short]:g}."
    return f"{shown}: {item['msg']}."


def _shown(value: object) -> str:
    """A value as the file holds it, short enough for one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "a table"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(location: tuple[str | int, ...]) -> str:
    """`levers[0].effect.on` from what pydantic calls a location; a number counts from 0 there and from 1 for people."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _unknown(location: tuple[str | int, ...], known: tuple[str, ...]) -> str:
    """An unknown key: the nearest one of its own table first, then the same name in another table."""
    *table, name = (part for part in location if isinstance(part, str))
    prefix = "".join(f"{part}." for part in table)
    siblings = [k.removeprefix(prefix) for k in known if k.startswith(prefix) and "." not in k.removeprefix(prefix)]
    elsewhere = [k for k in known if k.rpartition(".")[2] == name]
    hint = f" Did you mean '{elsewhere[0]}'?" if elsewhere else did_you_mean(name, siblings)
    hint = hint or f" Known here: {', '.join(siblings)}."
    return f"{_dotted(location)}: this key is not known.{hint}"


def _missing(key: str) -> str:
    table, _, name = key.rpartition(".")
    if key == "data":
        return 'data.source: this key is missing. Add [data] with source = "orders.csv" or another source.'
    where = f" to [{table}]" if table else " at the top of the file"
    return f"{key}: this key is missing. Add {name} = ...{where}."
