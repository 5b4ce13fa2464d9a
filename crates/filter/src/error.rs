//! Why an expression is refused.

/// The refusal of an expression. `Display` is the text that the HTTP API shows, without its prefix
/// `Failed to create boolean expression evaluator: `, which one endpoint leaves out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The text is not an expression; says where and what could have stood there.
    #[error("{0}")]
    Syntax(String),
    /// The rows have no such field.
    #[error("Selector {0:?} is not valid")]
    Selector(String),
    /// The field exists and cannot be compared in this way.
    #[error("Invalid match operator {operator:?} for selector {selector:?}")]
    Operator {
        /// Name of the operator.
        operator: &'static str,
        /// The selector as dotted text.
        selector: String,
    },
    /// The value is not of the type of the field.
    #[error("Failed to coerce value {value:?} for selector {selector:?}: {reason}")]
    Value {
        /// The value as written.
        value: String,
        /// The selector as dotted text.
        selector: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The regular expression is wrong or too big.
    #[error("Failed to compile regular expression {pattern:?}: error parsing regexp: {reason}")]
    Regex {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The expression breaks one of the limits; names it.
    #[error("{0}")]
    TooBig(String),
}
