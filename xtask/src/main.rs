//! The project's own commands: `cargo xtask COMMAND`. It starts other programs and reads files; it holds no product code.

mod bench;
mod stage;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test [STAGE...]   Run every check and test, or only the named stages
  bench [ARGS...]   Measure beside the real Consul: [ROUNDS] [SECONDS] [WORKLOAD]
  tidy              Check the house rules (arrows, budgets, dead files, names in ARCHITECTURE.md)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_str() {
        "test" => test::run(&rest),
        "bench" => bench::run(&rest),
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
