"""Plans and ready-made tasks written as text: names, numbers, calls and arithmetic, and nothing else is evaluated."""

import ast
import operator

from .._base.arguments import shown

LONGEST = 10_000  # characters
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.RShift: operator.rshift,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def evaluated(text, names, methods=()):
    """The value of an expression over ``names`` (name → function), whose values have the ``methods``.

    Allowed are calls of the names and the methods, numbers, texts, ``None``, ``True``, ``False``, tuples, lists and
    dicts of these, and ``+ - * / // >>`` between numbers and what the functions return. Anything else raises
    ``ValueError`` before anything is called, as does a name that is not known; and so do operands, owners of methods
    and arguments of another kind.

    >>> from lrlib import plans
    >>> evaluated("ramp(10, 1, 1/2)", {"ramp": plans.ramp})(10)
    0.5
    >>> evaluated("__import__('os')", {"ramp": plans.ramp})
    Traceback (most recent call last):
    ...
    ValueError: "__import__('os')": '__import__' is not known; known: ramp
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        tree = _parsed(text.strip())
        _check(tree, names, methods)
        return _value(tree, names)
    except RecursionError:
        raise ValueError("an expression is nested too deeply") from None
    except SyntaxError as error:
        raise ValueError(f"{shown(text)} is no expression: {error.msg}") from error
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{shown(text)}: {error}") from error


def _parsed(text):
    try:
        return ast.parse(text, mode="eval").body
    except MemoryError:  # what Python's parser raises where its own stack ends
        raise RecursionError from None


def _check(node, names, methods):
    """Raise ``ValueError`` at the first part that is not allowed."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            if name not in names:
                raise ValueError(f"{name!r} is not known; known: {', '.join(sorted(names))}")
            parts = [*node.args, *(k.value for k in node.keywords)]
        case ast.Call(func=ast.Attribute(attr=name)) if name in methods:
            parts = [node.func.value, *node.args, *(k.value for k in node.keywords)]
        case ast.Name(id=name) if name in names:
            raise ValueError(f"{name} is a function: write {name}(…)")
        case ast.Constant(value=int() | float() | str() | None):
            parts = []
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            parts = [node.left, node.right]
        case ast.UnaryOp(op=op) if type(op) in _OPERATORS:
            parts = [node.operand]
        case ast.Tuple() | ast.List():
            parts = node.elts
        case ast.Dict():
            parts = [*node.keys, *node.values]
        case _:
            raise ValueError(
                f"{ast.unparse(node) if node else '**'!r} is not allowed here: only numbers, "
                f"+ - * / // >> and calls of {', '.join(sorted(names))}"
            )
    if isinstance(node, ast.Call) and any(k.arg is None for k in node.keywords):
        raise ValueError(f"{ast.unparse(node)!r}: ** is not allowed here")
    for part in parts:
        _check(part, names, methods)


def _value(node, names):
    match node:
        case ast.Constant():
            return node.value
        case ast.Call():
            function = _method(node.func, names) if isinstance(node.func, ast.Attribute) else names[node.func.id]
            named = {k.arg: _value(k.value, names) for k in node.keywords}
            return function(*(_value(a, names) for a in node.args), **named)
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_operand(node.left, names), _operand(node.right, names))
        case ast.UnaryOp():
            return _OPERATORS[type(node.op)](_operand(node.operand, names))
        case ast.Dict():
            return {_value(k, names): _value(v, names) for k, v in zip(node.keys, node.values)}
    elements = [_value(element, names) for element in node.elts]
    return tuple(elements) if isinstance(node, ast.Tuple) else elements


def _operand(node, names):
    """The value of a part of arithmetic, which texts and lists would only copy many times."""
    value = _value(node, names)
    if isinstance(value, (str, tuple, list, dict, bool, type(None))):
        raise ValueError(f"+ - * / // >> take numbers and what a call returns; got {shown(value)}")
    return value


def _method(node, names):
    """The method of a value that has it."""
    owner = _value(node.value, names)
    if not hasattr(owner, node.attr):
        raise ValueError(f".{node.attr} belongs to what a call returns; got {shown(owner)}")
    return getattr(owner, node.attr)


def plan(text):
    """The plan that ``text`` describes.

    >>> plan("warmup(100) >> cosine(900)").length
    1000
    """
    from .. import plans as schedules

    known = {name: getattr(schedules, name) for name in schedules.__all__}
    known = {name: f for name, f in known.items() if callable(f) and not isinstance(f, type)}
    found = evaluated(text, known, ("repeat", "resize", "cut"))
    if not isinstance(found, schedules.Plan):
        raise ValueError(f"{shown(text)} is {shown(found)}, which is no plan; known: {', '.join(sorted(known))}")
    return found
