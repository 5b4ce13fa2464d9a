//! One pass over one cluster: fetch -> validate -> build -> plan -> apply -> status.

pub mod apply;
pub mod build;
pub mod fetch;
pub mod names;
pub mod plan;
pub mod status;
pub mod validate;
