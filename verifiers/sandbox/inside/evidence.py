"""Which assertions of test code were evaluated, and which one failed on which values.

`instrument` rewrites test code so that each assertion goes through an `Evidence`. Tests that never ran prove nothing: a
function with assertions that was never entered makes the tests unfit, but for one that is marked as skipped; so does a test
whose assertions stand under a condition that never held. An assertion that has to be reached and was not makes the program
fail, and so does one that failed whatever catches its error, unless the handler asserts something itself.
"""

import ast
import operator
from typing import NamedTuple

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
_CONSTANT = (ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.JoinedStr, ast.Lambda)
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_SHOWN = 120


class Site(NamedTuple):
    """One assertion of the test code."""

    line: int
    needed: bool  # it has to be reached
    binding: bool  # it has to hold, whatever becomes of its error
    function: int  # that holds it, by its place among those that hold assertions; -1: none
    dead: bool  # it stands under a condition that is false as it is written


class Evidence:
    """What happened at each assertion of one test code."""

    def __init__(self, source: str):
        self._lines = source.splitlines()
        self.sites: list[Site] = []
        self.functions: list[tuple[int, str]] = []  # line and name of each function that holds assertions
        self.evaluated: set[int] = set()
        self.entered: set[int] = set()
        self.failed: dict[int, str] = {}  # the account of each assertion that failed
        self.unfit = ""  # why the tests prove nothing, where a test of theirs says that it need not hold
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

    def exceeds(self, sign: str, one, other) -> bool:
        """Whether an ordering holds that an assertion denies; nan is in no order, and must not slip through."""
        return bool(_BY_NAME[sign](one, other)) or _is_nan(one) or _is_nan(other)

    def error(self, site: int, message=None) -> AssertionError:
        """The error of an assertion that failed: its line, its values, and its own message."""
        line = self.sites[site].line
        place = f"line {line}, `{self._lines[line - 1].strip()[:_SHOWN]}`"
        parts = [place, self._failure, "" if message is None else str(message)]
        account = ": ".join(part for part in parts if part)
        if self.sites[site].binding:
            self.failed.setdefault(site, account)
        return AssertionError(account)

    def never_entered(self, among=None) -> list[str]:
        """Functions that hold assertions and never ran; of those with one of the code objects `among`."""
        lines = None if among is None else {code.co_firstlineno for code in among if code is not None}
        return [
            f"{name} (line {line})"
            for number, (line, name) in enumerate(self.functions)
            if number not in self.entered and (lines is None or line in lines)
        ]

    def never_evaluated(self) -> list[int]:
        """Lines of the assertions that have to be reached and were not, in functions that ran."""
        return [site.line for number, site in enumerate(self.sites) if site.needed and number not in self.evaluated]

    def proves_nothing(self) -> list[str]:
        """Tests that ran and evaluated none of their assertions, and assertions that no run can reach."""
        dead = [f"line {site.line}" for site in self.sites if site.dead]
        silent = [
            f"{name} (line {line})"
            for number, (line, name) in enumerate(self.functions)
            if number in self.entered and name.startswith(("test", "check")) and self._is_silent(number)
        ]
        return dead + silent + (["the module"] if self._is_silent(-1) else [])

    def _is_silent(self, function: int) -> bool:
        """Whether a function holds assertions that may be passed over, and passed them all."""
        own = [number for number, site in enumerate(self.sites) if site.function == function]
        return bool(own) and self.evaluated.isdisjoint(own)


def _is_nan(value) -> bool:
    return isinstance(value, float) and value != value


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
        self._skipped = False  # whether a class around is marked as skipped, or defined again further on
        self._binding = True  # whether no handler around judges the error of an assertion
        self._dead = False

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
        is_refusal = isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise) and not node.orelse
        if not is_refusal and not _asserts(node):
            self._inside(node, needed)
            return [node]
        if is_refusal:
            node.test = _denied(node.test)
        seen = self._call("see", self._site(node, needed))  # `if f(1) != 2: raise ...` is an assertion too
        self._inside(node, needed)
        leaves = any(isinstance(one, (ast.Return, ast.Continue, ast.Break)) for one in ast.walk(node))
        return [seen, node] if leaves or self._functions[-1][1] else [node, seen]

    def _inside(self, node: ast.stmt, needed: bool) -> None:
        binding, dead = self._binding, self._dead
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(node, name, None)
            if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                sure = needed and not isinstance(node, (ast.If, ast.While)) and name != "orelse"
                if name == "body" and isinstance(node, ast.Try):
                    sure = sure and not any(map(_may_raise, node.handlers))
                    self._binding = binding and not any(map(_judges, node.handlers))
                elif name == "body" and _expects_failure(node):
                    self._binding = False
                self._dead = dead or (name == "body" and isinstance(node, (ast.If, ast.While)) and _is_false(node.test))
                setattr(node, name, self.statements(inner, sure))
                self._binding, self._dead = binding, dead
        for handler in getattr(node, "handlers", ()):
            handler.body = self.statements(handler.body, False)
        for case in getattr(node, "cases", ()):
            case.body = self.statements(case.body, False)

    def _function(self, node, needed: bool, hidden: bool):
        record = [None, self._skipped or hidden or _is_skipped(node) or not needed, node]
        self._functions.append(record)
        binding, self._binding = self._binding, True
        body = self.statements(node.body, True)
        self._binding = binding
        self._functions.pop()
        if record[0] is not None:
            position = 1 if ast.get_docstring(node, clean=False) is not None else 0
            body.insert(position, self._call("enter", record[0]))
        node.body = body
        return node

    def _assertion(self, node: ast.Assert, needed: bool) -> list[ast.stmt]:
        test = node.test
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test.operand = _denied(test.operand)
        if isinstance(test, _CONSTANT) and getattr(test, "elts", getattr(test, "keys", True)):
            return [node]  # `assert True` and `assert (x, y)` prove nothing, `assert False` is not to be reached
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
        function = -1 if record[0] is None else record[0]
        if exempt:
            function = -2
        self._evidence.sites.append(
            Site(node.lineno, needed and not exempt, self._binding, function, self._dead and not exempt)
        )
        return len(self._evidence.sites) - 1

    def _call(self, name: str, number: int) -> ast.stmt:
        return ast.Expr(_method(name, ast.Constant(number)))


def _method(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name(NAME, ast.Load()), name, ast.Load()), list(args), [])


def _denied(test: ast.expr) -> ast.expr:
    """A comparison by order that must not hold, so that nan counts as beyond every bound."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _ORDERS):
        sign = ast.Constant(type(test.ops[0]).__name__)
        return ast.copy_location(_method("exceeds", sign, test.left, test.comparators[0]), test)
    return test


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
    texts = [ast.unparse(one) for one in node.decorator_list]
    return any(word in text for text in texts for word in ("skip", "xfail", "expectedFailure"))


def _catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes the error of a failed assertion."""
    return handler.type is None or any(
        isinstance(node, ast.Name) and node.id in ("AssertionError", "Exception", "BaseException")
        for node in ast.walk(handler.type)
    )


def _judges(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes the error of a failed assertion, and asserts, raises or fails itself."""
    return _catches_all(handler) and any(
        isinstance(node, (ast.Assert, ast.Raise))
        or (isinstance(node, ast.Call) and _name_of(node).startswith(("assert", "fail", "exit")))
        for line in handler.body
        for node in ast.walk(line)
    )


def _may_raise(handler: ast.ExceptHandler) -> bool:
    """Whether a program may go the way of a handler: one for errors of its own kind, or one that judges."""
    return not _catches_all(handler) or _judges(handler)


def _expects_failure(node: ast.stmt) -> bool:
    """`with pytest.raises(AssertionError):`"""
    return isinstance(node, ast.With) and any(
        _name_of(call) in ("raises", "assertRaises", "assertRaisesRegex", "suppress")
        and any(getattr(arg, "id", "") in ("AssertionError", "Exception", "BaseException") for arg in ast.walk(call))
        for call in (item.context_expr for item in node.items)
    )


def _is_false(test: ast.expr) -> bool:
    """A condition that is false as it is written."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return isinstance(test.operand, ast.Constant) and bool(test.operand.value)
    return (isinstance(test, ast.Constant) and not test.value) or getattr(test, "id", "") == "TYPE_CHECKING"
