//! The project's own commands: `cargo xtask COMMAND`. It starts other programs and reads files; it holds no product code.

mod bench;
mod clients;
mod crds;
mod down;
mod go_client;
mod image;
mod kubernetes;
mod progress;
mod reference;
mod shell;
mod stage;
mod standalone;
mod supply;
mod test;
mod tidy;
mod tools;
mod ui;
mod up;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  up                Start a three-node Kubernetes, install Concord, show that it works;
                    with KUBECONFIG set, or --kubeconfig FILE, and --image REPOSITORY:TAG: in that cluster
  down              Remove what `up` started
  image             Build the container image; --dist-only: only the static programs, into dist/;
                    --reproducible: put it together twice from dist/ and compare
  crds              Write the files that are generated from the operator's types; --check: only compare
  reference         Write docs/configuration.md from the schema of the configuration; --check: only compare
  test [STAGE...]   Run every check and test, or only the named stages
  bench [ARGS...]   Measure beside the real Consul: [ROUNDS] [SECONDS] [WORKLOAD]
  ui                Build the web page anew into agent/ui/dist, and its pictures into docs/ui
  sbom              Write what the programs are made of into target/sbom (CycloneDX)
  tidy              Check the house rules (arrows, budgets, dead files, names in ARCHITECTURE.md)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_str() {
        "up" => up::run_command(&rest),
        "down" => down::run(),
        "image" => image::run_command(&rest),
        "crds" => crds::run_command(&rest),
        "reference" => reference::run_command(&rest),
        "test" => test::run(&rest),
        "bench" => bench::run(&rest),
        "ui" => ui::build(),
        "sbom" => supply::write_bills(),
        "tidy" => tidy::run(),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("unknown command {other:?}\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
