//! The `?filter=` expression language of the HTTP API: text in, a predicate over rows out.
//!
//! An expression is parsed and checked against the [`Schema`] of the rows it will see, so that a wrong selector,
//! operator or value is an error before any row is read. Rows are read in place through [`Row`]. The error texts are
//! those of Consul 1.8.7. Pure: no IO, no clock. It does not know the model; who owns a row type implements [`Row`].

mod error;
mod evaluate;
mod json;
mod limits;
mod parse;
pub mod pattern;
mod schema;
mod schemas;
mod values;

pub use error::FilterError;
pub use evaluate::{Filter, Leaf, Row};
pub use json::{JsonRow, any_json};
pub use limits::{DEPTH_MAX, REGEX_BYTES_MAX, REGEX_COUNT_MAX, TEXT_BYTES_MAX};
pub use schema::{Kind, Schema};
pub use schemas::{CHECK, CONNECT, HEALTH, INTENTION, NODE, NODE_SERVICE, PROXY, SERVICE_INSTANCE};
