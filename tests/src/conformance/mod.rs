//! Conformance: requests as text files, and what Consul 1.8.7 answers to them.
//!
//! Each file `tests/conformance/FAMILY/NAME.txt` is a story told to one fresh server. `tests/conformance.rs` tells it to
//! our program and, when `CONCORD_ORACLE` names the real Consul, to that too; both must answer as recorded.
//!
//! To add cases, write the requests and run `UPDATE=1 CONCORD_ORACLE=/path/to/consul cargo test -p tests --test
//! conformance`: the answers are recorded from the real Consul. Where ours differs on purpose, add a block
//! `=> ours because REASON`; its content is recorded from ours in the same way. `CONFORMANCE=kv/` runs the files
//! whose path contains that text. The format is described in `case.rs`.

mod case;
mod certificates;
mod normal;
mod run;

pub use case::{Case, Expected, Outcome, Script, Send};
pub use run::{Report, run_all};
