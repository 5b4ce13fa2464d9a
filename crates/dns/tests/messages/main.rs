//! Whole messages: a catalog and a request in, the bytes of the answer out, read by another implementation.

mod fuzz;
mod golden;
mod hostile;
mod sizes;
mod support;
