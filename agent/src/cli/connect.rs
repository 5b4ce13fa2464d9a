//! From flags and environment to a client of the agent.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use client::tls::TlsSettings;
use client::{Client, QueryOptions};
use model::Token;

use super::flags::Parsed;
use super::frame::{Failure, Outcome};

/// Where an agent listens unless told otherwise.
const ADDRESS_DEFAULT: &str = "127.0.0.1:8500";
/// Calls may wait for other agents (leave, join), so this is long; it only ends what hangs for ever.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Runs a command's calls against the agent that flags and environment name.
pub fn with_agent<F>(parsed: &Parsed, calls: impl FnOnce(Client) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    let client = connect(parsed, |name| std::env::var(name).ok())
        .map_err(|cause| Failure::new(format!("Error connecting to Consul agent: {cause}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("Error starting the runtime: {error}")))?;
    runtime.block_on(calls(client))
}

/// Read options that the shared flags give.
#[must_use]
pub fn query_options(parsed: &Parsed) -> QueryOptions {
    QueryOptions {
        datacenter: parsed.value("datacenter").unwrap_or_default().to_owned(),
        stale: parsed.is_set("stale"),
        ..QueryOptions::default()
    }
}

fn connect(parsed: &Parsed, variable: impl Fn(&str) -> Option<String>) -> Result<Client, String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if parsed.text("namespace").is_some_and(|namespace| namespace != "default") {
        return Err(
            "there are no namespaces, which are a feature of Consul Enterprise; leave -namespace out".to_owned()
        );
    }
    let address = parsed.text("http-addr").map(str::to_owned).or_else(|| set("CONSUL_HTTP_ADDR"));
    let mut address = address.unwrap_or_else(|| ADDRESS_DEFAULT.to_owned());
    let is_on = |name: &str| set(name).as_deref().and_then(config::parse_bool);
    if !address.contains("://") && is_on("CONSUL_HTTP_SSL") == Some(true) {
        address = format!("https://{address}");
    }
    let given = |flag: &str, name: &str| parsed.text(flag).map(str::to_owned).or_else(|| set(name));
    let tls = TlsSettings {
        ca_file: given("ca-file", "CONSUL_CACERT").map(PathBuf::from),
        ca_path: given("ca-path", "CONSUL_CAPATH").map(PathBuf::from),
        cert_file: given("client-cert", "CONSUL_CLIENT_CERT").map(PathBuf::from),
        key_file: given("client-key", "CONSUL_CLIENT_KEY").map(PathBuf::from),
        server_name: given("tls-server-name", "CONSUL_TLS_SERVER_NAME").unwrap_or_default(),
        skip_verify: is_on("CONSUL_HTTP_SSL_VERIFY") == Some(false),
    };
    let client = Client::with_tls(&address, &tls).map_err(|error| error.to_string())?;
    let from_file = |path: String| {
        let text = std::fs::read_to_string(&path);
        text.map(|text| text.trim().to_owned())
            .map_err(|error| format!("Error loading token file: open {path}: {}", client::os_error_text(&error)))
    };
    let given = parsed.text("token").map(str::to_owned);
    let file = parsed.text("token-file").map(str::to_owned);
    let token = match (given, file) {
        (Some(token), _) => token,
        (None, Some(path)) => from_file(path)?,
        (None, None) => match (set("CONSUL_HTTP_TOKEN"), set("CONSUL_HTTP_TOKEN_FILE")) {
            (Some(token), _) => token,
            (None, Some(path)) => from_file(path)?,
            (None, None) => String::new(),
        },
    };
    let client = client.with_token(&Token::new(token)).map_err(|error| error.to_string())?;
    let client = match set("CONSUL_HTTP_AUTH") {
        // A name alone has an empty password.
        Some(auth) if auth.contains(':') => client.with_basic_auth(&auth),
        Some(name) => client.with_basic_auth(&format!("{name}:")),
        None => Ok(client),
    };
    Ok(client.map_err(|error| error.to_string())?.with_timeout(TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(flags: &[(&'static str, &str)]) -> Parsed {
        Parsed { flags: flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), args: Vec::new() }
    }

    #[test]
    fn flags_win_over_the_environment() {
        let environment = |name: &str| (name == "CONSUL_HTTP_ADDR").then(|| "http://env:1".to_owned());
        let address = |flags| format!("{:?}", connect(&parsed(flags), environment).unwrap());
        assert!(address(&[]).contains("env:1"));
        assert!(address(&[("http-addr", "flag:2")]).contains("flag:2"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let none = |_: &str| None;
        for (flags, part) in [
            (vec![("http-addr", "https://x:1"), ("ca-file", "/nonexistent")], "cannot read /nonexistent"),
            (vec![("http-addr", "https://x:1"), ("client-cert", "x")], "a certificate and its key are needed together"),
            (vec![("http-addr", "nonsense address")], "not of the form"),
            (vec![("namespace", "x")], "there are no namespaces"),
            (vec![("token-file", "/nonexistent")], "open /nonexistent: no such file or directory"),
        ] {
            let message = connect(&parsed(&flags), none).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
