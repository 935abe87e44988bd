"""Sums, products, small powers, inverses and determinants of matrices whose cells are expressions."""

from verifiers.mathematics.parsing.tree import MINUS_ONE, Node, div, neg, rational

_MAX_CELLS = 400
_MAX_DETERMINANT = 5  # rows; written out by its first row, over and over
_Cells = tuple[tuple[Node, ...], ...]


class NotAMatrix(Exception):
    """The expression is no matrix, or one beyond the limits."""


def matrix_of(node: Node) -> _Cells:
    """The cells of a matrix expression; NotAMatrix for anything else."""
    if node.kind == "matrix":
        if len(node.args) * len(node.args[0]) > _MAX_CELLS:
            raise NotAMatrix("too many cells")
        return node.args
    rows = rows_of(node)
    if rows:
        return rows
    if node.kind == "add":
        total = matrix_of(node.args[0])
        for term in node.args[1:]:
            other = matrix_of(term)
            if (len(other), len(other[0])) != (len(total), len(total[0])):
                raise NotAMatrix("a sum of matrices of two shapes")
            total = tuple(
                tuple(Node("add", pair) for pair in zip(*rows, strict=False))
                for rows in zip(total, other, strict=False)
            )
        return total
    if node.kind == "mul":
        return _product([_matrix_or_scalar(factor) for factor in node.args])
    if node.kind == "pow":
        base, exponent = matrix_of(node.args[0]), rational(node.args[1])
        if node.args[1] == Node("sym", ("T",)):
            return tuple(zip(*base, strict=False))
        if (
            exponent is None
            or exponent.denominator != 1
            or not 1 <= abs(exponent) <= 4
            or len(base) != len(base[0])
            or len(base) > 4
        ):
            raise NotAMatrix("a power of a matrix")
        return _product([base if exponent > 0 else _inverse(base)] * abs(int(exponent)))
    raise NotAMatrix(node.kind)


def with_values(node: Node) -> Node:
    """The tree with the determinants of its matrices written out, where these are small."""
    if node.kind == "call" and node.args[0] == "det":
        try:
            return _determinant(matrix_of(node.args[1]))
        except NotAMatrix:
            return node
    return Node(node.kind, tuple(with_values(part) if isinstance(part, Node) else part for part in node.args))


def _determinant(cells: _Cells) -> Node:
    if len(cells) != len(cells[0]) or len(cells) > _MAX_DETERMINANT:
        raise NotAMatrix("a determinant that is not square and small")
    if len(cells) == 1:
        return cells[0][0]
    products = [Node("mul", (cell, _determinant(_minor(cells, 0, column)))) for column, cell in enumerate(cells[0])]
    return Node("add", tuple(neg(product) if column % 2 else product for column, product in enumerate(products)))


def _minor(cells: _Cells, row: int, column: int) -> _Cells:
    return tuple(line[:column] + line[column + 1 :] for number, line in enumerate(cells) if number != row)


def _inverse(cells: _Cells) -> _Cells:
    """The adjugate over the determinant: each cell is undefined where the determinant is zero."""
    size, whole = len(cells), _determinant(cells)
    if size == 1:
        return ((Node("pow", (whole, MINUS_ONE)),),)

    def cell(row: int, column: int) -> Node:
        cofactor = _determinant(_minor(cells, column, row))
        return div(neg(cofactor) if (row + column) % 2 else cofactor, whole)

    return tuple(tuple(cell(row, column) for column in range(size)) for row in range(size))


def rows_of(node: Node) -> _Cells | None:
    """The cells of [[1, 2], [3, 4]], or None."""
    if node.kind != "bracket" or node.args[:2] != ("[", "]") or len(node.args) < 4:
        return None
    rows = node.args[2:]
    if any(row.kind != "bracket" or row.args[:2] != ("[", "]") or len(row.args) != len(rows[0].args) for row in rows):
        return None
    return tuple(row.args[2:] for row in rows) if len(rows) * len(rows[0].args) <= _MAX_CELLS else None


def _matrix_or_scalar(node: Node):
    try:
        return matrix_of(node)
    except NotAMatrix:
        return node


def _product(factors: list) -> _Cells:
    total = factors[0]
    for factor in factors[1:]:
        if isinstance(total, Node) and isinstance(factor, Node):
            total = Node("mul", (total, factor))
        elif isinstance(total, Node) or isinstance(factor, Node):
            scalar, cells = (total, factor) if isinstance(total, Node) else (factor, total)
            total = tuple(
                tuple(neg(cell) if rational(scalar) == -1 else Node("mul", (scalar, cell)) for cell in row)
                for row in cells
            )
        else:
            if len(total[0]) != len(factor):
                raise NotAMatrix("a product of matrices whose shapes do not fit")
            columns = list(zip(*factor, strict=False))
            total = tuple(
                tuple(
                    Node("add", tuple(Node("mul", pair) for pair in zip(row, column, strict=False)))
                    for column in columns
                )
                for row in total
            )
    if isinstance(total, Node):
        raise NotAMatrix("a product of scalars")
    return total
