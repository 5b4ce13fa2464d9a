//! OS service checks: what the service manager says of a unit. Linux with systemd: `systemctl is-active`.

use std::time::Duration;

use model::Status;

use super::Outcome;
use super::script::execute;

/// Longest answer that is kept, bytes. Real ones are one word.
const ANSWER_BYTES_MAX: usize = 256;

/// Asks once.
pub async fn run(program: &str, service: &str, timeout: Duration) -> Outcome {
    let args: Vec<String> = [program, "is-active", "--", service].map(str::to_owned).to_vec();
    match execute(&args, timeout, ANSWER_BYTES_MAX).await {
        Ok(ended) => {
            let text = ended.output.into_text();
            let state = text.trim();
            Outcome { status: status_of(state), output: format!("OS service {service}: {state}") }
        }
        Err(reason) => Outcome { status: Status::Critical, output: format!("OS service {service}: {reason}") },
    }
}

/// Units on their way from one state to another warn.
fn status_of(state: &str) -> Status {
    match state {
        "active" => Status::Passing,
        "activating" | "deactivating" | "reloading" | "refreshing" | "maintenance" => Status::Warning,
        _ => Status::Critical,
    }
}
