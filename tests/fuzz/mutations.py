"""Random changes of bytes, as hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st

# what files like these do not hold, and what parsers stumble over
TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"-1", b"0", b"1e999", b"NaN", b"null", b"true",
    b'"', b"{", b"[", b"[[[[[[[[", b"<", b">", b"&", b":", b"\n", b"\t", b"\xc3", b"\xf0\x9f\x9a\xa2", b"", b"inf",
    b"[]", b"99999999999999999999", b"''", b"!!python/object", b"*a", b"../..", b"/", b"%s", b"{}", b"0.5", b",",
)  # fmt: skip
PLACE = st.floats(0, 1, exclude_max=True)
CHANGE = st.tuples(st.sampled_from(["put", "insert", "cut", "repeat", "end", "flip"]), PLACE, st.integers(1, 24))


@st.composite
def changed(draw: st.DrawFn, content: bytes) -> bytes:
    """Some bytes of a file, changed at a few places."""
    data = bytearray(content)
    for kind, place, length in draw(st.lists(CHANGE, min_size=1, max_size=6)):
        start = int(place * max(1, len(data)))
        token = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8))) if kind in ("put", "insert") else b""
        if kind == "put":
            data[start : start + len(token)] = token
        elif kind == "insert":
            data[start:start] = token
        elif kind == "cut":
            del data[start : start + length]
        elif kind == "repeat":
            data[start:start] = data[start : start + length] * draw(st.integers(1, 4))
        elif kind == "end":
            del data[start:]
        elif start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)
