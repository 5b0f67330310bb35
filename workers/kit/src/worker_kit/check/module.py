"""A parsed source file with what every rule asks of it: parents, scopes, imports and the values of names."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

type Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Project:
    """What is known of all files checked together; a single file is a project of one."""

    dependencies: frozenset[str] = frozenset()
    """Names given to `Depends` or `Security` anywhere."""
    imported_late: frozenset[str] = frozenset()
    """Names of modules that are imported inside functions only."""


class Module:
    """One file's syntax tree, read once and asked by every rule."""

    def __init__(self, tree: ast.Module, path: str = "<string>", project: Project | None = None) -> None:
        self.tree = tree
        self.path = PurePath(path)
        self.project = project or Project()
        self.nodes = tuple(ast.walk(tree))
        self.parents = {child: parent for parent in self.nodes for child in ast.iter_child_nodes(parent)}

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call of the file."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def functions(self) -> Iterator[Function]:
        """Yield every `def` and `async def` of the file, methods and nested ones too."""
        return (node for node in self.nodes if isinstance(node, FUNCTIONS))

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around `node`, the nearest first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def function_of(self, node: ast.AST) -> Function | None:
        """Return the function whose body holds `node`, None at module or class level.

        Decorators and defaults belong to the scope around the function, because they run there.
        """
        below = node
        for parent in self.ancestors(node):
            if isinstance(parent, FUNCTIONS) and below in parent.body:
                return parent
            below = parent
        return None

    def own_nodes(self, function: Function) -> Iterator[ast.AST]:
        """Yield the nodes of a function's body in source order, without those of functions inside it."""
        waiting: list[ast.AST] = list(reversed(function.body))
        while waiting:
            node = waiting.pop()
            yield node
            if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
                waiting.extend(reversed(list(ast.iter_child_nodes(node))))

    @cached_property
    def imports(self) -> dict[str, str]:
        """Return the dotted name behind each imported name of the file."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for name in node.names:
                    top = name.name.partition(".")[0]
                    found[name.asname or top] = name.name if name.asname else top
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                found.update({name.asname or name.name: f"{origin}.{name.name}" for name in node.names})
        return found

    @cached_property
    def defined(self) -> frozenset[str]:
        """Return the names of the functions and classes written in the file: they hide the builtins of those names."""
        return frozenset(node.name for node in self.nodes if isinstance(node, (*FUNCTIONS, ast.ClassDef)))

    @cached_property
    def assignments(self) -> dict[tuple[Function | None, str], list[ast.expr]]:
        """Return every value given to a plain name, by the scope that gives it."""
        found: dict[tuple[Function | None, str], list[ast.expr]] = {}
        for node in self.nodes:
            targets: list[ast.expr] = []
            value: ast.expr | None = None
            if isinstance(node, ast.Assign):
                targets, value = node.targets, node.value
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
                targets, value = [node.target], node.value
            for target in targets:
                if isinstance(target, ast.Name) and value is not None:
                    found.setdefault((self.function_of(node), target.id), []).append(value)
        return found

    def parameter(self, function: Function | None, name: str) -> ast.arg | None:
        """Return the parameter called `name`, None where the function has none."""
        if function is None:
            return None
        declared = function.args
        for argument in (*declared.posonlyargs, *declared.args, *declared.kwonlyargs, declared.vararg, declared.kwarg):
            if argument is not None and argument.arg == name:
                return argument
        return None

    def dotted(self, node: ast.AST | None) -> str:
        """Return the full name an expression goes by (`js.fetch` for an imported `fetch`), empty where it has none."""
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if isinstance(node, ast.Name):
            hidden = node.id in self.defined or self.parameter(self.function_of(node), node.id) is not None
            return node.id if hidden and node.id not in self.imports else self.imports.get(node.id, node.id)
        return ""

    def is_builtin(self, node: ast.AST, name: str) -> bool:
        """Tell whether `node` is the builtin `name` and not something of the file's own."""
        return (
            isinstance(node, ast.Name)
            and node.id == name
            and name not in self.defined
            and name not in self.imports
            and self.parameter(self.function_of(node), name) is None
        )

    def sources(self, node: ast.expr) -> list[ast.expr]:
        """Return the expressions a name was given in its own scope or the module's, else the expression itself."""
        if not isinstance(node, ast.Name):
            return [node]
        function = self.function_of(node)
        if self.parameter(function, node.id) is not None:
            return [node]
        return self.assignments.get((function, node.id)) or self.assignments.get((None, node.id)) or [node]

    def annotation(self, node: ast.expr) -> str:
        """Return the dotted type a name's parameter is annotated with, empty where there is none."""
        argument = self.parameter(self.function_of(node), node.id) if isinstance(node, ast.Name) else None
        return self.dotted(argument.annotation) if argument is not None else ""


def dependency_names(tree: ast.AST) -> Iterator[str]:
    """Yield the name of each function that is handed to `Depends` or `Security`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in {"Depends", "Security"} and node.args:
            yield last_name(node.args[0])


def last_name(node: ast.AST) -> str:
    """Return the last identifier of a name or an attribute, empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    """Return a call's argument by its position or its keyword."""
    if position < len(call.args):
        return call.args[position]
    return next((given.value for given in call.keywords if given.arg == keyword), None)
