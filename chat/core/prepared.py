"""Statements of SQLAlchemy Core that are compiled once and run on the driver's own cursor.

Executing a statement the usual way costs some 50 µs, nearly all of it in preparing to execute it. That is nothing for a
page; it is most of the work of storing a message. These cost 2 to 5 µs, and types mean what they mean everywhere else.
"""

from collections import namedtuple
from operator import itemgetter

from sqlalchemy.exc import DBAPIError


class Prepared:
    """`Prepared(select(...))`, its values named by `bindparam`. Where databases differ, one statement for each:
    `Prepared(sqlite=…, postgresql=…)`. Made once, at the top of a module."""

    def __init__(self, statement=None, **by_dialect):
        self._statement, self._by_dialect, self._forms = statement, by_dialect, {}

    def run(self, cursor, dialect, values):
        """Execute with these values, {name: value}, and return the rows as a list of named tuples; [] when the
        statement gives none. Raises what SQLAlchemy would. Waits as the driver waits."""
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _Form(self._by_dialect.get(dialect.name, self._statement), dialect)
        return form.run(cursor, values)


class _Form:
    """A statement as one dialect has it."""

    def __init__(self, statement, dialect):
        self._dialect, self._error = dialect, dialect.loaded_dbapi.Error
        self._compiled = compiled = statement.compile(dialect=dialect)
        self.sql = compiled.string
        self._expands = bool(compiled.post_compile_params)  # an IN, which has as many places as it is given values
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        process = {name: _kept(bind.type, dialect, "bind_processor", dialect) for name, bind in binds.items()}
        self._fixed = {name: bind.effective_value for name, bind in binds.items() if not bind.required}
        self._names = frozenset(binds) - set(self._fixed)
        self._order = compiled.positiontup  # None where values are passed by name
        self._binds = [(name, process[name]) for name in self._order or binds]
        self._processed = [(place, p) for place, (_, p) in enumerate(self._binds) if p]
        names = [name for name, _ in self._binds]
        self._pick = itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]
        columns = list(getattr(statement, "exported_columns", ()))
        self._row = namedtuple("Row", [column.key for column in columns]) if columns else None
        processors = [_kept(column.type, dialect, "result_processor", dialect, None) for column in columns]
        self._results = processors if any(processors) else None

    def run(self, cursor, values):
        if values.keys() != self._names:
            raise TypeError(f"This statement takes {sorted(self._names)}, not {sorted(values)}.")
        if self._fixed:
            values = self._fixed | values
        try:
            if self._expands:
                cursor.execute(*self._expanded(values))
            elif self._order is None:
                cursor.execute(self.sql, {name: p(values[name]) if p else values[name] for name, p in self._binds})
            else:
                made = self._pick(values)
                if self._processed:
                    made = list(made)
                    for place, process in self._processed:
                        made[place] = process(made[place])
                cursor.execute(self.sql, made)
            if self._row is None:
                return []
            rows = cursor.fetchall()
        except self._error as error:
            raise wrapped(error, self._dialect, cursor, self.sql) from error
        if self._results:
            return [self._made(row) for row in rows]
        return [*map(self._row._make, rows)]

    def _made(self, row):
        return self._row._make([p(value) if p else value for p, value in zip(self._results, row, strict=True)])

    def _expanded(self, values):
        state = self._compiled.construct_expanded_state(values)
        process = dict(self._binds) | dict(state.processors)
        made = {name: p(v) if (p := process.get(name)) else v for name, v in state.parameters.items()}
        return state.statement, made if state.positiontup is None else [made[name] for name in state.positiontup]


def _kept(type_, dialect, which, *args):
    return getattr(type_.dialect_impl(dialect), which)(*args)


def wrapped(error, dialect, cursor=None, statement=""):
    """A driver's error as SQLAlchemy raises it, without the values, which are what people wrote. Without a cursor there
    was no connection yet."""
    gone = cursor is not None and dialect.is_disconnect(error, cursor.connection, cursor)
    hide_values(error)
    base = dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        statement, None, error, base, hide_parameters=True, connection_invalidated=gone, dialect=dialect
    )


def hide_values(error):
    """Leave of what PostgreSQL says about an error its first line: the details below it may hold a whole row, and so
    what people wrote."""
    if first := getattr(getattr(error, "diag", None), "message_primary", None):
        error.args = (first,)
