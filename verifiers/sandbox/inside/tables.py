"""numpy's arrays and pandas' tables by value between a program and its tests: types and shapes stay as they are.

    {"A": [dtype, shape, [items]]} an array   {"T": ["DataFrame" | "Series" | "Index", ...]} a thing of pandas

Items are plain data again. What holds other things, such as a table in a table, does not travel.
"""

import sys

_USUAL = ("<i8", "<f8", "|b1")  # wire.py carries these as nested lists
_KINDS = "biufcSUMm"  # of numpy: numbers, texts and times


def form_of(value, pack):
    """The form of an array or a table; None for anything else. `pack` gives the form of plain data."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and type(value) is numpy.ndarray:
        if (value.dtype.str in _USUAL and value.size) or value.dtype.kind not in _KINDS:
            return None
        return {"A": _array_form(value, pack)}
    if pandas is None:
        return None
    if type(value) is pandas.DataFrame:
        columns = [_column_form(value.iloc[:, number], pack) for number in range(value.shape[1])]
        return {"T": ["DataFrame", _index_form(value.index, pack), _index_form(value.columns, pack), columns]}
    if type(value) is pandas.Series:
        name = pack(value.name)
        return {"T": ["Series", _index_form(value.index, pack), name, _column_form(value, pack)]}
    if isinstance(value, pandas.Index):
        return {"T": ["Index", _index_form(value, pack)]}
    if isinstance(value, pandas.Timestamp):
        return {"T": ["Timestamp", value.isoformat(), str(value.tz) if value.tz is not None else None]}
    return None


def _array_form(value, pack) -> list:
    is_time = value.dtype.kind in "Mm"
    items = value.astype("<i8") if is_time else value
    if value.dtype.kind == "c":
        return [value.dtype.str, list(value.shape), [[one.real, one.imag] for one in value.ravel().tolist()]]
    return [value.dtype.str, list(value.shape), [pack(one) for one in items.ravel().tolist()]]


def _column_form(column, pack) -> list:
    values = column.to_numpy() if hasattr(column, "to_numpy") else column
    kind = str(column.dtype)
    if kind == "category":
        return [kind, "items", _items_form(column, pack), _items_form(column.cat.categories, pack)]
    if values.dtype.kind in "biufMm" and not kind[:1].isupper():
        return [kind, "array", _array_form(values, pack)]
    return [kind, "items", _items_form(column, pack)]


def _items_form(column, pack) -> list:
    return [pack(_plain(one)) for one in column.tolist()]


def _plain(item):
    """An item with pandas' sign for nothing taken as None."""
    return None if item is sys.modules["pandas"].NA else item


def _index_form(index, pack) -> list:
    pandas = sys.modules["pandas"]
    if isinstance(index, pandas.MultiIndex):
        return ["multi", [pack(tuple(row)) for row in index.tolist()], pack(list(index.names))]
    if isinstance(index, pandas.RangeIndex):
        return ["range", [index.start, index.stop, index.step], pack(index.name)]
    return ["plain", _column_form(index, pack), pack(index.name)]


def value_of(tag: str, body):
    """The value of a form; ValueError, TypeError or LookupError for anything that is none."""
    if tag == "A":
        return _array(*body)
    import pandas

    kind, *rest = body
    if kind == "DataFrame":
        index, columns, data = rest
        table = pandas.DataFrame({number: _column(column) for number, column in enumerate(data)})
        table.index, table.columns = _index(index), _index(columns)
        return table
    if kind == "Series":
        index, name, column = rest
        return pandas.Series(_column(column), name=name).set_axis(_index(index))
    if kind == "Index":
        return _index(rest[0])
    if kind == "Timestamp":
        return pandas.Timestamp(rest[0]).tz_convert(rest[1]) if rest[1] else pandas.Timestamp(rest[0])
    raise ValueError("no table")


def _array(dtype: str, shape: list, items: list):
    import numpy

    kind = numpy.dtype(dtype)
    if kind.kind not in _KINDS:
        raise ValueError("no array of plain data")
    if kind.kind in "Mm":
        return numpy.array(items, dtype="<i8").astype(kind).reshape(shape)
    if kind.kind == "c":
        items = [complex(*one) for one in items]
    return numpy.array(items, dtype=kind).reshape(shape)


def _column(form: list):
    import pandas

    kind, how, values = form[:3]
    if kind == "category":
        return pandas.Series(pandas.Categorical(values, categories=form[3]))
    if how == "array":
        found = pandas.Series(_array(*values))
        return found if str(found.dtype) == kind else _of_kind(found, kind)
    return pandas.Series(values, dtype=kind)


def _of_kind(column, kind: str):
    """A column of times of a zone is written in universal time."""
    if kind.startswith("datetime64[ns, "):
        return column.dt.tz_localize("UTC").dt.tz_convert(kind[15:-1])
    return column.astype(kind)


def _index(form: list):
    import pandas

    kind, values, name = form
    if kind == "range":
        return pandas.RangeIndex(*values, name=name)
    if kind == "multi":
        return pandas.MultiIndex.from_tuples(values, names=name)
    return pandas.Index(_column(values), name=name)
