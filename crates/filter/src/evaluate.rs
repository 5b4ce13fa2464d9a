//! Checks an expression against a schema, and runs it over rows.

use regex::{Regex, RegexBuilder};

use crate::FilterError;
use crate::limits::{REGEX_BYTES_MAX, REGEX_COUNT_MAX};
use crate::parse::{Comparison, Operator, Syntax, parse};
use crate::schema::{Kind, Schema};
use crate::values::{boolean, integer};

/// What a selector leads to in one row.
#[derive(Clone, Copy)]
pub enum Leaf<'a> {
    /// A map on the way has no such key.
    Missing,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A list of texts.
    Texts(&'a [String]),
    /// A map or a list of structures: how many entries it has, and whether it has the key that is asked for.
    Collection {
        /// Number of entries.
        length: usize,
        /// Whether a key is there; constantly false for lists.
        has: &'a dyn Fn(&str) -> bool,
    },
}

/// A row that an expression can look into.
pub trait Row {
    /// Calls `test` with what `path` leads to, and returns its answer; for a path through a list of structures, whether
    /// `test` says yes to any element. `path` was checked against the schema of the row; where it leads nowhere
    /// nevertheless, the answer is that for [`Leaf::Missing`].
    fn any(&self, path: &[String], test: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool;
}

/// An expression that is ready to be run over rows of one type.
#[derive(Debug)]
pub struct Filter(Node);

#[derive(Debug)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Match { path: Vec<String>, negated: bool, test: Test },
}

#[derive(Debug)]
enum Test {
    EqualsText(String),
    EqualsInt(i64),
    EqualsBool(bool),
    Has(String),
    Contains(String),
    Empty,
    Matches(Regex),
}

impl Filter {
    /// Parses an expression for rows of a schema. The empty text is not an expression: callers take it as "no filter".
    ///
    /// # Errors
    /// What is wrong with the text, in the words of the API.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, FilterError> {
        let syntax = parse(text)?;
        let mut regexes = 0;
        build(syntax, schema, &mut regexes).map(Self)
    }

    /// Whether the row satisfies the expression.
    #[must_use]
    pub fn matches(&self, row: &dyn Row) -> bool {
        self.0.matches(row)
    }
}

fn build(syntax: Syntax, schema: &Schema, regexes: &mut usize) -> Result<Node, FilterError> {
    let mut all =
        |terms: Vec<Syntax>| terms.into_iter().map(|term| build(term, schema, regexes)).collect::<Result<Vec<_>, _>>();
    match syntax {
        Syntax::Or(terms) => Ok(Node::Or(all(terms)?)),
        Syntax::And(terms) => Ok(Node::And(all(terms)?)),
        Syntax::Not(inner) => Ok(Node::Not(Box::new(build(*inner, schema, regexes)?))),
        Syntax::Match(comparison) => build_match(comparison, schema, regexes),
    }
}

fn build_match(comparison: Comparison, schema: &Schema, regexes: &mut usize) -> Result<Node, FilterError> {
    let Comparison { path, operator, value } = comparison;
    let kind = schema.resolve(&path)?;
    let coerce = |reason| FilterError::Value { value: value.clone(), selector: path.join("."), reason };
    let test = match (operator, kind) {
        (Operator::Equal | Operator::NotEqual, Kind::Text) => Test::EqualsText(value),
        (Operator::Equal | Operator::NotEqual, Kind::Int) => Test::EqualsInt(integer(&value).map_err(coerce)?),
        (Operator::Equal | Operator::NotEqual, Kind::Bool) => Test::EqualsBool(boolean(&value).map_err(coerce)?),
        (Operator::In | Operator::NotIn, Kind::Text) => Test::Contains(value),
        (Operator::In | Operator::NotIn, Kind::Texts | Kind::Map(_)) => Test::Has(value),
        (Operator::IsEmpty | Operator::IsNotEmpty, Kind::Texts | Kind::Map(_) | Kind::List(_)) => Test::Empty,
        (Operator::Matches | Operator::NotMatches, Kind::Text) => Test::Matches(build_regex(&value, regexes)?),
        _ => return Err(FilterError::Operator { operator: operator.name(), selector: path.join(".") }),
    };
    let negated =
        matches!(operator, Operator::NotEqual | Operator::NotIn | Operator::IsNotEmpty | Operator::NotMatches);
    Ok(Node::Match { path, negated, test })
}

fn build_regex(pattern: &str, regexes: &mut usize) -> Result<Regex, FilterError> {
    *regexes += 1;
    if *regexes > REGEX_COUNT_MAX {
        return Err(FilterError::TooBig(format!("the expression has more than {REGEX_COUNT_MAX} regular expressions")));
    }
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
        let reason = crate::pattern::reason(pattern, &error);
        FilterError::Regex { pattern: pattern.to_owned(), reason }
    })
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::NotEqual => "Not Equal",
            Self::In => "In",
            Self::NotIn => "Not In",
            Self::IsEmpty => "Is Empty",
            Self::IsNotEmpty => "Is Not Empty",
            Self::Matches => "Matches",
            Self::NotMatches => "Not Matches",
        }
    }
}

impl Node {
    fn matches(&self, row: &dyn Row) -> bool {
        match self {
            Self::Or(terms) => terms.iter().any(|term| term.matches(row)),
            Self::And(terms) => terms.iter().all(|term| term.matches(row)),
            Self::Not(inner) => !inner.matches(row),
            Self::Match { path, negated, test } => row.any(path, &mut |leaf| test.holds(leaf) != *negated),
        }
    }
}

impl Test {
    /// A missing map key equals, has and matches nothing. (Consul 1.8.7 lets `matches` succeed on a missing key.)
    fn holds(&self, leaf: Leaf<'_>) -> bool {
        match (self, leaf) {
            (Self::EqualsText(value), Leaf::Text(text)) => text == value,
            (Self::EqualsInt(value), Leaf::Int(number)) => number == *value,
            (Self::EqualsBool(value), Leaf::Bool(flag)) => flag == *value,
            (Self::Contains(value), Leaf::Text(text)) => text.contains(value.as_str()),
            (Self::Has(value), Leaf::Texts(list)) => list.contains(value),
            (Self::Has(value), Leaf::Collection { has, .. }) => has(value),
            (Self::Empty, Leaf::Texts(list)) => list.is_empty(),
            (Self::Empty, Leaf::Collection { length, .. }) => length == 0,
            (Self::Empty, Leaf::Missing) => true,
            (Self::Matches(regex), Leaf::Text(text)) => regex.is_match(text),
            _ => false,
        }
    }
}
