import typing
import unittest

import pydantic

from models import faults


class Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    kind: typing.Optional[typing.Union[typing.Literal["A", "B"], typing.Any]] = None
    count: typing.Optional[int] = None


class Whole(pydantic.BaseModel):
    parts: typing.Optional[typing.List[Part]] = None
    name: typing.Optional[str] = None


def whole(**fields):
    return Whole.model_construct(parts=[Part.model_construct(**fields)])


class Models(unittest.TestCase):
    def test_a_value_that_fits_has_no_faults(self):
        self.assertEqual(faults(whole(kind="A", count=1)), [])

    def test_unknown_fields_types_and_names_are_found_however_deep(self):
        self.assertEqual(faults(whole(colour="red")), [".parts[0]: Part has no colour"])
        for fields in [{"count": "1"}, {"count": True}, {"kind": "C"}]:
            self.assertEqual(len(faults(whole(**fields))), 1, fields)
        self.assertEqual(len(faults(Whole.model_construct(name=7))), 1)
