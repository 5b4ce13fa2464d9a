//! The configuration: schema, parse, merge, validate, render. Pure.
