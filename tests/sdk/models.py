"""The comparison of what was received with the models of an SDK."""

import types
import typing

import pydantic
import typing_extensions


def faults(value, path=""):
    """The parts of a value that its model doesn't allow: unknown fields, other types, names that aren't on a list.

    SDKs construct models without validation, so that a response that doesn't fit them is no error.
    """
    if isinstance(value, (list, tuple)):
        return [fault for index, each in enumerate(value) for fault in faults(each, f"{path}[{index}]")]
    if not isinstance(value, pydantic.BaseModel):
        return []
    found = [f"{path}: {type(value).__name__} has no {name}" for name in value.model_extra or {}]
    for name in value.model_fields_set & set(type(value).model_fields):
        kind = type(value).model_fields[name].annotation
        held, where = getattr(value, name), f"{path}.{name}"
        if _fits(held, kind):
            found += faults(held, where)
        else:
            found.append(f"{where}: {held!r} isn't {kind}")
    return found


def _fits(value, kind):
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Annotated, typing_extensions.Annotated):
        return _fits(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        # An open list of names is a union with everything.
        names = [each for each in arguments if typing.get_origin(each) is typing.Literal]
        return any(_fits(value, each) for each in names or arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin in (list, typing.Sequence):
        return isinstance(value, list) and all(_fits(each, arguments[0]) for each in value)
    if origin in (dict, typing.Mapping):
        return isinstance(value, dict) and all(_fits(each, arguments[1]) for each in value.values())
    if kind is typing.Any:
        return True
    # A boolean is a number to Python, but not to JSON.
    return isinstance(value, kind) and (kind is bool) == isinstance(value, bool)
