//! Which names an expression reads, and without which it certainly fails: decided on the syntax tree, when it is
//! compiled.
//!
//! A name is *required* when every evaluation in which it has no value fails, whatever the other values are. A name is read
//! but not required where a test or filter accepts an undefined value (`x is defined`, `x | default(1)`), behind `and` and
//! `or`, and in one branch of an `if`.

use std::collections::{BTreeSet, HashSet};

use indexmap::IndexSet;
use minijinja::machinery::{Span, ast};
use minijinja::{ErrorKind, Value};

use super::{ParseError, draws, engine, now};
use crate::diagnostic::did_you_mean;

/// The filters that there are: those of minijinja and our own. docs/spec.md lists them.
pub(super) const FILTERS: [&str; 51] = [
    "abs",
    "attr",
    "b64decode",
    "b64encode",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// The tests that there are.
pub(super) const TESTS: [&str; 35] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "greaterthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// What the analysis found.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Every name that is read, in the order of first appearance.
    pub(super) reads: Vec<String>,
    /// Those without which evaluation fails, in the same order.
    pub(super) requires: Vec<String>,
    /// Those of which more is read than whether they are defined, in the same order.
    pub(super) compares: Vec<String>,
    /// The functions that it calls.
    pub(super) calls: Calls,
}

/// Which functions are called.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    /// Their names, each once.
    pub names: IndexSet<String>,
    /// How often `counter()` is called.
    pub counters: u64,
}

impl Calls {
    /// The first function that makes a value up for a request.
    pub fn made_up(&self) -> Option<&str> {
        let mut names = self.names.iter().map(String::as_str);
        names.find(|name| *name == "fake" || draws::FUNCTIONS.contains(name))
    }
}

/// Analyses a template.
pub(super) fn of_template(template: &ast::Stmt<'_>) -> Result<Names, ParseError> {
    let mut walk = Walk::default();
    let required = walk.statement(template);
    walk.finish(&required)
}

/// Analyses an expression whose value is the result.
pub(super) fn of_expression(expression: &ast::Expr<'_>) -> Result<Names, ParseError> {
    let mut walk = Walk::default();
    let required = walk.expression(expression, Use::Output);
    walk.finish(&required)
}

/// What happens to the value of an expression, and so what happens when it is undefined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is the result: neither it nor a part of it may be undefined.
    Output,
    /// Something is computed from it: it may not be undefined.
    Operand,
    /// Undefined is fine.
    Tolerated,
}

type Required = BTreeSet<String>;

#[derive(Default)]
struct Walk {
    reads: IndexSet<String>,
    compares: HashSet<String>,
    /// Names bound by the template itself, innermost scope last.
    locals: Vec<HashSet<String>>,
    calls: Calls,
    /// How many loops are open here.
    loops: usize,
    problem: Option<ParseError>,
}

impl Walk {
    fn finish(self, required: &Required) -> Result<Names, ParseError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        Ok(Names {
            requires: self
                .reads
                .iter()
                .filter(|name| required.contains(*name))
                .cloned()
                .collect(),
            compares: (self.reads.iter())
                .filter(|name| self.compares.contains(*name))
                .cloned()
                .collect(),
            reads: self.reads.into_iter().collect(),
            calls: self.calls,
        })
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Required {
        match statement {
            ast::Stmt::Template(template) => self.block(&template.children, &[]),
            ast::Stmt::EmitExpr(emit) => self.expression(&emit.expr, Use::Output),
            ast::Stmt::EmitRaw(_) => Required::new(),
            ast::Stmt::ForLoop(each) => {
                let mut required = self.expression(&each.iter, Use::Operand);
                let mut locals = vec!["loop".to_owned()];
                targets(&each.target, &mut locals);
                self.loops += 1;
                let body = self.scoped(&locals, |walk| {
                    if let Some(filter) = &each.filter_expr {
                        walk.expression(filter, Use::Operand);
                    }
                    walk.statements(&each.body)
                });
                self.loops -= 1;
                // The list may be empty: then the `else` body is evaluated.
                let otherwise = self.block(&each.else_body, &[]);
                required.extend(body.intersection(&otherwise).cloned());
                required
            }
            ast::Stmt::IfCond(branch) => {
                let mut required = self.expression(&branch.expr, Use::Operand);
                let yes = self.block(&branch.true_body, &[]);
                let no = self.block(&branch.false_body, &[]);
                required.extend(yes.intersection(&no).cloned());
                required
            }
            ast::Stmt::WithBlock(with) => {
                let mut required = Required::new();
                let mut locals = Vec::new();
                for (target, value) in &with.assignments {
                    required.extend(self.expression(value, Use::Output));
                    targets(target, &mut locals);
                }
                required.extend(self.block(&with.body, &locals));
                required
            }
            ast::Stmt::Set(set) => {
                // An undefined value would fail later; it is required here.
                let required = self.expression(&set.expr, Use::Output);
                self.bind(&set.target);
                required
            }
            ast::Stmt::SetBlock(set) => {
                let mut required = self.block(&set.body, &[]);
                if let Some(filter) = &set.filter {
                    required.extend(self.expression(filter, Use::Output));
                }
                self.bind(&set.target);
                required
            }
            ast::Stmt::AutoEscape(escape) => self.block(&escape.body, &[]),
            ast::Stmt::FilterBlock(filter) => {
                let mut required = self.block(&filter.body, &[]);
                required.extend(self.expression(&filter.filter, Use::Output));
                required
            }
            ast::Stmt::Do(action) => self.call(&action.call, action.call.span()),
        }
    }

    fn statements(&mut self, statements: &[ast::Stmt<'_>]) -> Required {
        let mut required = Required::new();
        for statement in statements {
            required.extend(self.statement(statement));
        }
        required
    }

    fn block(&mut self, statements: &[ast::Stmt<'_>], locals: &[String]) -> Required {
        self.scoped(locals, |walk| walk.statements(statements))
    }

    fn scoped(
        &mut self,
        locals: &[String],
        inside: impl FnOnce(&mut Self) -> Required,
    ) -> Required {
        self.locals.push(locals.iter().cloned().collect());
        let required = inside(self);
        self.locals.pop();
        required
    }

    fn bind(&mut self, target: &ast::Expr<'_>) {
        let mut names = Vec::new();
        targets(target, &mut names);
        if let Some(scope) = self.locals.last_mut() {
            scope.extend(names);
        }
    }

    fn expression(&mut self, expression: &ast::Expr<'_>, used: Use) -> Required {
        match expression {
            ast::Expr::Var(variable) => self.name(variable.id, used),
            ast::Expr::Const(_) => Required::new(),
            ast::Expr::Slice(slice) => {
                let mut required = self.expression(&slice.expr, Use::Operand);
                for bound in [&slice.start, &slice.stop, &slice.step]
                    .into_iter()
                    .flatten()
                {
                    required.extend(self.expression(bound, Use::Operand));
                }
                required
            }
            ast::Expr::UnaryOp(operation) => self.expression(&operation.expr, Use::Operand),
            ast::Expr::BinOp(operation) => {
                let mut required = self.expression(&operation.left, Use::Operand);
                let right = self.expression(&operation.right, Use::Operand);
                let short_circuits =
                    matches!(operation.op, ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr);
                if !short_circuits {
                    required.extend(right);
                }
                required
            }
            ast::Expr::Compare(compare) => {
                let mut required = self.expression(&compare.expr, Use::Operand);
                for (index, operand) in compare.ops.iter().enumerate() {
                    let operand = self.expression(&operand.expr, Use::Operand);
                    // `a < b < c` stops at the first comparison that is false.
                    if index == 0 {
                        required.extend(operand);
                    }
                }
                required
            }
            ast::Expr::IfExpr(branch) => {
                let mut required = self.expression(&branch.test_expr, Use::Operand);
                let yes = self.expression(&branch.true_expr, used);
                let no = branch
                    .false_expr
                    .as_ref()
                    .map(|otherwise| self.expression(otherwise, used))
                    .unwrap_or_default();
                required.extend(yes.intersection(&no).cloned());
                required
            }
            ast::Expr::Filter(filter) => {
                let subject = self.filter_use(filter.name, filter.span());
                let mut required = filter
                    .expr
                    .as_ref()
                    .map(|subject_of| self.expression(subject_of, subject))
                    .unwrap_or_default();
                required.extend(self.arguments(&filter.args));
                required
            }
            ast::Expr::Test(test)
                if matches!(test.name, "defined" | "undefined")
                    && let ast::Expr::Var(variable) = &test.expr =>
            {
                if !self.is_local(variable.id) {
                    self.reads.insert(variable.id.to_owned());
                }
                Required::new()
            }
            ast::Expr::Test(test) => {
                let subject = self.test_use(test.name, test.span());
                let mut required = self.expression(&test.expr, subject);
                required.extend(self.arguments(&test.args));
                required
            }
            ast::Expr::GetAttr(attribute) => self.expression(&attribute.expr, Use::Operand),
            ast::Expr::GetItem(item) => {
                let mut required = self.expression(&item.expr, Use::Operand);
                required.extend(self.expression(&item.subscript_expr, Use::Operand));
                required
            }
            ast::Expr::Call(call) => self.call(call, call.span()),
            ast::Expr::List(list) => self.items(&list.items, used),
            ast::Expr::Tuple(tuple) => self.items(&tuple.items, used),
            ast::Expr::Map(map) => {
                let mut required = self.items(&map.keys, used);
                required.extend(self.items(&map.values, used));
                required
            }
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|scope| scope.contains(name))
    }

    fn name(&mut self, name: &str, used: Use) -> Required {
        if self.is_local(name) {
            return Required::new();
        }
        if !self.compares.contains(name) {
            self.compares.insert(name.to_owned());
            self.reads.insert(name.to_owned());
        }
        if used == Use::Tolerated {
            Required::new()
        } else {
            Required::from([name.to_owned()])
        }
    }

    /// Members of a list or a map: they may be undefined unless the whole is the result.
    fn items(&mut self, items: &[ast::Expr<'_>], used: Use) -> Required {
        let used = match used {
            Use::Output => Use::Output,
            Use::Operand | Use::Tolerated => Use::Tolerated,
        };
        let mut required = Required::new();
        for item in items {
            required.extend(self.expression(item, used));
        }
        required
    }

    /// The names in arguments. A call may tolerate an undefined argument.
    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) -> Required {
        let mut required = Required::new();
        for argument in arguments {
            let (ast::CallArg::Pos(value)
            | ast::CallArg::Kwarg(_, value)
            | ast::CallArg::PosSplat(value)
            | ast::CallArg::KwargSplat(value)) = argument;
            required.extend(self.expression(value, Use::Tolerated));
        }
        required
    }

    fn call(&mut self, call: &ast::Call<'_>, span: Span) -> Required {
        let mut required = match &call.expr {
            ast::Expr::Var(function) => {
                let known = engine::environment()
                    .globals()
                    .any(|(name, _)| name == function.id);
                if known {
                    self.note_call(function.id, call, span);
                } else {
                    let message = format!("unknown function `{}`", function.id);
                    let functions = environment_functions();
                    self.complain(span, message, function.id, &functions);
                }
                Required::new()
            }
            ast::Expr::GetAttr(method) if matches!(&method.expr, ast::Expr::Var(object) if object.id == "fake" && !self.is_local("fake")) =>
            {
                self.calls.names.insert("fake".to_owned());
                if !draws::FAKES.contains(&method.name) {
                    let message = format!("there is no `fake.{}()`", method.name);
                    self.complain(span, message, method.name, &draws::FAKES);
                }
                Required::new()
            }
            method => self.expression(method, Use::Operand),
        };
        required.extend(self.arguments(&call.args));
        required
    }

    /// Whether a filter tolerates an undefined subject: the filter is called with one.
    fn filter_use(&mut self, name: &str, span: Span) -> Use {
        let mut state = engine::environment().empty_state();
        let outcome = state.apply_filter(name, &[Value::UNDEFINED]).err();
        match outcome.map(|error| error.kind()) {
            Some(ErrorKind::UnknownFilter) => {
                self.complain(span, format!("unknown filter `{name}`"), name, &FILTERS);
                Use::Operand
            }
            Some(ErrorKind::UndefinedError) => Use::Operand,
            _ => Use::Tolerated,
        }
    }

    fn test_use(&mut self, name: &str, span: Span) -> Use {
        let mut state = engine::environment().empty_state();
        let outcome = state.perform_test(name, &[Value::UNDEFINED]).err();
        match outcome.map(|error| error.kind()) {
            Some(ErrorKind::UnknownTest) => {
                self.complain(span, format!("unknown test `is {name}`"), name, &TESTS);
                Use::Operand
            }
            Some(ErrorKind::UndefinedError) => Use::Operand,
            _ => Use::Tolerated,
        }
    }

    /// Notes that a function is called, and says what is wrong with that.
    fn note_call(&mut self, name: &str, call: &ast::Call<'_>, span: Span) {
        self.calls.names.insert(name.to_owned());
        match name {
            "counter" if self.loops > 0 => {
                let message = "`counter()` cannot stand in a loop".to_owned();
                let help =
                    "call it before the loop, `{% set first = counter() %}`, or use `loop.index`";
                self.refuse(span, message, help.to_owned());
            }
            "counter" => self.calls.counters += 1,
            "now" => {
                let [offset, format] = ["offset", "format"].map(|name| constant(call, name));
                if let Some(why) = now::problem(offset, format) {
                    let help = "write `now()`, `now(offset='+1d')`, `now(format='%Y-%m-%d')`";
                    self.refuse(span, why, help.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Complains about a name, where these are known.
    fn complain(&mut self, span: Span, message: String, name: &str, known: &[&str]) {
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there is {}", known.join(", ")),
        };
        self.refuse(span, message, help);
    }

    fn refuse(&mut self, span: Span, message: String, help: String) {
        self.problem.get_or_insert(ParseError {
            message,
            range: span.start_offset as usize..span.end_offset as usize,
            help: Some(help),
        });
    }
}

/// A text that is given to a function by name.
fn constant<'c>(call: &'c ast::Call<'_>, name: &str) -> Option<&'c str> {
    call.args.iter().find_map(|argument| match argument {
        ast::CallArg::Kwarg(known, ast::Expr::Const(value)) if *known == name => {
            value.value.as_str()
        }
        _ => None,
    })
}

/// The functions that there are.
fn environment_functions() -> Vec<&'static str> {
    let globals = engine::environment().globals();
    globals
        .map(|(name, _)| name)
        .filter(|name| *name != "debug" && *name != "fake")
        .collect()
}

/// The names that an assignment binds.
fn targets(target: &ast::Expr<'_>, names: &mut Vec<String>) {
    match target {
        ast::Expr::Var(variable) => names.push(variable.id.to_owned()),
        ast::Expr::List(list) => list.items.iter().for_each(|item| targets(item, names)),
        ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| targets(item, names)),
        _ => {}
    }
}
