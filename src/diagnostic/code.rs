//! The kinds of problems.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $id:literal,)*) => {
        /// The kind of a problem. Its id never changes its meaning, so that people can look it up and filter by it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All kinds, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The id shown in brackets.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }
        }
    };
}

codes! {
    /// The file is missing, is a directory, or may not be read.
    CannotRead = "cannot-read",
    /// The file is not UTF-8.
    NotUtf8 = "not-utf8",
    /// The text is not YAML.
    SyntaxError = "syntax-error",
    /// The file holds nothing.
    EmptySpec = "empty-spec",
    /// A mapping has the same key twice.
    DuplicateKey = "duplicate-key",
    /// A key that does not exist here.
    UnknownKey = "unknown-key",
    /// A key that must be written is not there.
    MissingKey = "missing-key",
    /// A value of another kind than the key takes.
    WrongType = "wrong-type",
    /// A value of the right kind that the key cannot take.
    BadValue = "bad-value",
    /// `venomqa:` names a version that this program does not read.
    WrongVersion = "wrong-version",
    /// Keys that cannot stand together.
    Contradiction = "contradiction",
    /// `${NAME}` that cannot be filled in.
    Environment = "environment",
    /// `--set` that cannot be applied.
    BadOverride = "bad-override",
    /// A template that does not parse.
    BadTemplate = "bad-template",
    /// A condition that does not parse.
    BadCondition = "bad-condition",
    /// A JSONPath that does not parse.
    BadJsonPath = "bad-jsonpath",
    /// A regular expression that does not parse.
    BadRegex = "bad-regex",
    /// SQL that cannot be used as it is.
    BadSql = "bad-sql",
    /// A name that cannot be used for this.
    BadName = "bad-name",
    /// Two things with one name.
    DuplicateName = "duplicate-name",
    /// A value that is used but never extracted or defined.
    UnknownName = "unknown-name",
    /// A precondition that names no action.
    UnknownAction = "unknown-action",
    /// A strategy that does not exist.
    UnknownStrategy = "unknown-strategy",
    /// A built-in check that does not exist.
    UnknownCheck = "unknown-check",
    /// A system that is not declared.
    UnknownSystem = "unknown-system",
    /// A principal that is not declared.
    UnknownPrincipal = "unknown-principal",
    /// Actions that wait for each other.
    PreconditionCycle = "precondition-cycle",
    /// An action that can never run.
    UnreachableAction = "unreachable-action",
    /// An action that no answer can accept although something waits for that.
    NeverAccepted = "never-accepted",
    /// A variable that nothing reads.
    UnusedVariable = "unused-variable",
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.id())
    }
}
