"""The part of DER that certificates use: definite, shortest lengths; one-byte tags; nothing left over.

    element = tag (1 byte), length (1 byte below 0x80, else 0x81 or 0x82 and that many bytes), value
"""
from dataclasses import dataclass

SEQUENCE, INTEGER, BIT_STRING, OCTETS, OID = 0x30, 0x02, 0x03, 0x04, 0x06


class Malformed(Exception):
    """Something that is no DER, or not of the kind that was asked for."""


@dataclass(frozen=True)
class Element:
    tag: int
    value: bytes
    whole: bytes


def elements(data):
    """All elements that `data` is made of. Throws Malformed if something is left over."""
    found = []
    while data:
        element = _first(data)
        found.append(element)
        data = data[len(element.whole):]
    return found


def only(data):
    """The one element that `data` is."""
    found = elements(data)
    if len(found) != 1:
        raise Malformed
    return found[0]


def children(element):
    """The elements of a SEQUENCE."""
    return elements(_value(element, SEQUENCE))


def sequence(element, count):
    """The elements of a SEQUENCE of so many."""
    found = children(element)
    if len(found) != count:
        raise Malformed
    return found


def integer(element):
    """A number in its shortest form."""
    value = _value(element, INTEGER)
    if not value or (len(value) > 1 and value[0] in (0, 0xFF) and (value[0] ^ value[1]) < 0x80):
        raise Malformed
    return int.from_bytes(value, "big", signed=True)


def bit_string(element):
    """The bytes of a bit string; unused bits of the last one are 0."""
    value = _value(element, BIT_STRING)
    if not value or value[0] > 7 or (value[0] and (len(value) == 1 or value[-1] & ((1 << value[0]) - 1))):
        raise Malformed
    return value[1:]


def octets(element):
    return _value(element, OCTETS)


def oid(element):
    """An object identifier as dotted numbers."""
    value = _value(element, OID)
    if not value or value[-1] & 0x80:
        raise Malformed
    numbers, number = [], 0
    for byte in value:
        if number == 0 and byte == 0x80:
            raise Malformed
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(n) for n in (first, numbers[0] - 40 * first, *numbers[1:]))


def _value(element, tag):
    if element.tag != tag:
        raise Malformed
    return element.value


def _first(data):
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise Malformed
    size, start = data[1], 2
    if size >= 0x80:
        count = size & 0x7F
        if count not in (1, 2) or len(data) < 2 + count:
            raise Malformed
        size, start = int.from_bytes(data[2:2 + count], "big"), 2 + count
        if size < (0x80 if count == 1 else 0x100):
            raise Malformed
    if len(data) < start + size:
        raise Malformed
    return Element(data[0], data[start:start + size], data[:start + size])
