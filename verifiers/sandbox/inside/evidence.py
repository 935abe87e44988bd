"""Which assertions of test code were evaluated, and which one failed on which values.

`instrument` rewrites test code so that each assertion goes through an `Evidence`. Tests that never ran prove nothing: a
function with assertions that was never entered makes the tests unfit, an assertion that was entered upon and never
evaluated makes them fail.
"""

import ast
import operator

_COMPARISONS = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda item, holder: item in holder, ast.NotIn: lambda item, holder: item not in holder,
}  # fmt: skip
_SIGNS = {"Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Is": "is", "IsNot": "is not",
          "In": "in", "NotIn": "not in"}  # fmt: skip
_BY_NAME = {kind.__name__: function for kind, function in _COMPARISONS.items()}
NAME = "_evidence_"  # of the Evidence in the tests' namespace
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SHOWN = 120


class Evidence:
    """What happened at each assertion of one test code."""

    def __init__(self, source: str):
        self._lines = source.splitlines()
        self.sites: list[tuple[int, bool]] = []  # line, and whether the assertion has to be reached
        self.functions: list[tuple[int, str]] = []  # line and name of each function that holds assertions
        self.evaluated: set[int] = set()
        self.entered: set[int] = set()
        self._failure = ""

    def see(self, site: int) -> None:
        self.evaluated.add(site)

    def enter(self, function: int) -> None:
        self.entered.add(function)

    def has_run(self, function) -> bool:
        """Whether a function of the tests was entered."""
        return any(line == function.__code__.co_firstlineno and number in self.entered
                   for number, (line, _) in enumerate(self.functions))  # fmt: skip

    def truth(self, site: int, value) -> bool:
        """Whether an assertion holds; its value stands for itself."""
        self.evaluated.add(site)
        self._failure = ""
        return bool(value)

    def compare(self, site: int, sign: str, one, other) -> bool:
        """Whether an assertion that is one comparison holds; its two values are kept for the account."""
        self.evaluated.add(site)
        holds = bool(_BY_NAME[sign](one, other))
        if not holds:
            self._failure = f"{_text(one)} {_SIGNS[sign]} {_text(other)} does not hold"
        return holds

    def error(self, site: int, message=None) -> AssertionError:
        """The error of an assertion that failed: its line, its values, and its own message."""
        line = self.sites[site][0]
        place = f"line {line}, `{self._lines[line - 1].strip()[:_SHOWN]}`"
        parts = [place, self._failure, "" if message is None else str(message)]
        return AssertionError(": ".join(part for part in parts if part))

    def never_entered(self, exempt=frozenset()) -> list[str]:
        """Functions that hold assertions and never ran."""
        return [
            f"{name} (line {line})"
            for number, (line, name) in enumerate(self.functions)
            if number not in self.entered and line not in exempt
        ]

    def never_evaluated(self) -> list[int]:
        """Lines of the assertions that have to be reached and were not, in functions that ran."""
        return [line for site, (line, needed) in enumerate(self.sites) if needed and site not in self.evaluated]


def _text(value) -> str:
    try:
        return repr(value)[:_SHOWN]
    except Exception:  # whatever a value's own code raises
        return f"a {type(value).__name__}"


def instrument(tree: ast.Module, evidence: Evidence) -> ast.Module:
    """The tree with its assertions rewritten; calls like `self.assertEqual(..)` are counted as they stand."""
    tree.body = _Rewriter(evidence).statements(tree.body, True)
    return ast.fix_missing_locations(tree)


class _Rewriter:
    """Rewrites statements, with what is known of each place: whether an assertion there has to be reached."""

    def __init__(self, evidence: Evidence):
        self._evidence = evidence
        self._functions: list[list] = [
            [None, False, None]
        ]  # [number or None, whether exempt, node] of the functions around
        self._skipped = False

    def statements(self, body: list[ast.stmt], needed: bool) -> list[ast.stmt]:
        later = {}  # the last definition of a name counts: one before it is never called
        for node in body:
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                later[node.name] = node
        found = []
        for node in body:
            hidden = isinstance(node, (*_FUNCTIONS, ast.ClassDef)) and later[node.name] is not node
            found += self._statement(node, needed, hidden)
        return found

    def _statement(self, node: ast.stmt, needed: bool, hidden: bool) -> list[ast.stmt]:
        if isinstance(node, ast.Assert):
            return self._assertion(node, needed)
        if isinstance(node, _FUNCTIONS):
            return [self._function(node, needed, hidden)]
        if isinstance(node, ast.ClassDef):
            before, self._skipped = self._skipped, self._skipped or hidden or _is_skipped(node)
            node.body = self.statements(node.body, True)
            self._skipped = before
            return [node]
        if _asserts(node):
            return [self._call("see", self._site(node, needed)), node, *self._inside(node, needed)]
        if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise) and not node.orelse:
            site = self._site(node, needed)  # `if f(1) != 2: raise ...` is an assertion too
            return [self._call("see", site), node, *self._inside(node, needed)]
        self._inside(node, needed)
        return [node]

    def _inside(self, node: ast.stmt, needed: bool) -> list:
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(node, name, None)
            if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                sure = needed and not isinstance(node, (ast.If, ast.While)) and name != "orelse"
                setattr(node, name, self.statements(inner, sure))
        for handler in getattr(node, "handlers", ()):
            handler.body = self.statements(handler.body, False)
        for case in getattr(node, "cases", ()):
            case.body = self.statements(case.body, False)
        return []

    def _function(self, node, needed: bool, hidden: bool):
        record = [None, self._skipped or hidden or _is_skipped(node) or not needed, node]
        self._functions.append(record)
        body = self.statements(node.body, True)
        self._functions.pop()
        if record[0] is not None:
            position = 1 if ast.get_docstring(node, clean=False) is not None else 0
            body.insert(position, self._call("enter", record[0]))
        node.body = body
        return node

    def _assertion(self, node: ast.Assert, needed: bool) -> list[ast.stmt]:
        test = node.test
        if isinstance(test, ast.Constant):
            return [node]  # `assert True` proves nothing, `assert False` is not to be reached
        site = self._site(node, needed)
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            sign = ast.Constant(type(test.ops[0]).__name__)
            holds = _method("compare", ast.Constant(site), sign, test.left, test.comparators[0])
        else:
            holds = _method("truth", ast.Constant(site), test)
        failure = ast.Raise(_method("error", ast.Constant(site), *([node.msg] if node.msg else [])), None)
        return [ast.copy_location(ast.If(ast.UnaryOp(ast.Not(), holds), [failure], []), node)]

    def _site(self, node: ast.stmt, needed: bool) -> int:
        record = self._functions[-1]
        if len(self._functions) > 1 and record[0] is None and not record[1]:
            record[0] = len(self._evidence.functions)
            first = min([record[2].lineno, *(one.lineno for one in record[2].decorator_list)])
            self._evidence.functions.append((first, record[2].name))
        exempt = record[1] if len(self._functions) > 1 else False
        self._evidence.sites.append((node.lineno, needed and not exempt))
        return len(self._evidence.sites) - 1

    def _call(self, name: str, number: int) -> ast.stmt:
        return ast.Expr(_method(name, ast.Constant(number)))


def _method(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name(NAME, ast.Load()), name, ast.Load()), list(args), [])


def _asserts(node: ast.stmt) -> bool:
    """`self.assertEqual(..)`, `np.testing.assert_allclose(..)`, `with self.assertRaises(..)`, `with pytest.raises(..)`"""
    if isinstance(node, (ast.With, ast.AsyncWith)):
        calls = [item.context_expr for item in node.items]
    else:
        calls = [node.value] if isinstance(node, ast.Expr) else []
    return any(_name_of(call).startswith("assert") or _name_of(call) in ("raises", "warns") for call in calls)


def _name_of(call: ast.expr) -> str:
    if not isinstance(call, ast.Call):
        return ""
    return (
        call.func.attr
        if isinstance(call.func, ast.Attribute)
        else call.func.id
        if isinstance(call.func, ast.Name)
        else ""
    )


def _is_skipped(node) -> bool:
    return any("skip" in (text := ast.unparse(one)) or "xfail" in text for one in node.decorator_list)
