//! End-to-end tests on a real Kubernetes, in order: each builds on what the ones before left behind.
//!
//! Not for `cargo test` alone: `cargo xtask test kubernetes` starts the cluster and names it in the environment.
//! The same program, called with `load` or `http`, is also what runs inside the cluster's network.

mod cluster;
mod compare;
mod discovery;
mod environment;
mod failures;
mod figures;
mod http;
mod install;
mod kubectl;
mod load;
mod refusals;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use self::environment::Environment;

/// A test: its name, and what it does.
type Case = (&'static str, fn(&Environment) -> Result<()>);

const CASES: &[Case] = &[
    ("kubectl_apply_works_the_first_time_and_delete_cleans_up", install::by_kubectl),
    ("helm_install_with_its_cluster_works_the_first_time", install::by_helm),
    ("the_example_cluster_gets_ready", cluster::becomes_ready),
    ("status_columns_and_pods_are_as_promised", cluster::is_as_promised),
    ("a_write_on_one_node_is_read_through_the_agent_of_another", discovery::write_and_read_across_nodes),
    ("a_registered_service_resolves_in_every_pod", discovery::register_and_resolve),
    ("invalid_clusters_are_refused_by_field", refusals::invalid_clusters),
    ("a_foreign_object_is_never_taken_over", refusals::foreign_object),
    ("a_changed_child_is_put_right", cluster::repairs_drift),
    ("deleting_the_leader_loses_nothing", failures::leader_deleted),
    ("killing_the_leader_loses_nothing", failures::leader_killed),
    ("a_changed_setting_rolls_the_servers_and_loses_nothing", failures::setting_changed),
    ("losing_every_server_pod_at_once_loses_nothing", failures::all_servers_deleted),
    ("deleting_the_cluster_cleans_up", install::cluster_deleted),
    ("the_real_consul_on_the_same_kubernetes", compare::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let inside = match words.as_slice() {
        ["load", address] => Some(load::run(address)),
        ["http", method, address, path] => Some(http::print(method, address, path)),
        _ => None,
    };
    if let Some(result) = inside {
        return result.map_or_else(fail, |()| ExitCode::SUCCESS);
    }
    Environment::from_variables().and_then(|environment| run(&environment, &words)).unwrap_or_else(fail)
}

#[expect(clippy::needless_pass_by_value, reason = "the last user of the error")]
fn fail(error: anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Runs the cases whose names contain one of the words, or all.
fn run(environment: &Environment, words: &[&str]) -> Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    for (name, case) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        let result = case(environment);
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok ({seconds:.1} s)");
            }
            Err(error) => {
                failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s)\n{error:#}\n");
                environment.print_state();
            }
        }
    }
    environment.figures.print()?;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {passed} passed; {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
