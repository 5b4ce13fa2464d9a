//! Our answers, and the real Consul's, against the recorded ones. See `tests::conformance` for how to add cases.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tests::Program;
use tests::conformance::run_all;

/// The programs take turns: what they record goes into the same files, and timings are told from a calmer machine.
static TURN: Mutex<()> = Mutex::new(());

fn check(program: &Program) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let update = std::env::var_os("UPDATE").is_some();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let report = run_all(program, &folder, update);
    println!("{} cases, {} differences", report.cases, report.failures.len());
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}

#[test]
fn ours_answers_as_recorded() {
    check(&Program::ours());
}

#[test]
fn the_real_consul_answers_as_recorded() {
    if let Some(program) = Program::oracle() {
        check(&program);
    }
}
