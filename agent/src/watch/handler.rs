//! What is told of changes: a program that gets the rows on its standard input, or a URL that gets them by request.
//! Both have a time limit, and of what they say only the end is kept, for the log.

use std::process::Stdio;
use std::time::Duration;

use model::Status;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Change;
use crate::checks::{self, CheckTls};
use crate::local::{HttpProbe, TlsChoice};

/// Longest that a program may run: the next change waits for it.
const PROGRAM_TIME_MAX: Duration = Duration::from_secs(600);
/// Time of a request that does not say it.
const REQUEST_TIME_DEFAULT: Duration = Duration::from_secs(10);
/// Bytes of output that are kept.
const OUTPUT_MAX: usize = 4 * 1024;

/// A handler.
#[derive(Clone, Debug, PartialEq)]
pub enum Handler {
    /// A program with its arguments.
    Program(Vec<String>),
    /// A request.
    Request {
        /// Where, how, with which headers; the body is the rows.
        probe: Box<HttpProbe>,
        /// Time until the answer.
        timeout: Duration,
    },
}

/// The shell's way to run a line.
#[must_use]
pub fn shell(line: &str) -> Vec<String> {
    let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    vec![shell, "-c".to_owned(), line.to_owned()]
}

/// The rows as handlers get them: one line of JSON.
///
/// # Errors
/// When they cannot be written, which no JSON causes.
pub fn body(change: &Change) -> Result<Vec<u8>, String> {
    let mut bytes = model::to_json(&change.rows).map_err(|error| error.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A program that is about to get the rows.
#[must_use]
pub fn command(args: &[String], index: u64) -> Command {
    let (program, rest) = args.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
    let mut command = Command::new(program);
    command.args(rest).env("CONSUL_INDEX", index.to_string()).stdin(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts a program and gives it the rows.
///
/// # Errors
/// When it cannot be started.
pub fn feed(mut command: Command, rows: Vec<u8>) -> std::io::Result<tokio::process::Child> {
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        tokio::spawn(async move {
            // A program that does not read its input is its own business.
            let _ = input.write_all(&rows).await;
        });
    }
    Ok(child)
}

/// Reads the handler out of the parameters of a watch.
///
/// # Errors
/// When there is none, more than one, or one that is wrong.
pub fn parse(parameters: &mut Map<String, Value>) -> Result<Handler, String> {
    let kind = parameters.remove("handler_type").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let script = parameters.remove("handler");
    let args = parameters.remove("args");
    let request = parameters.remove("http_handler_config");
    match (kind.as_str(), script, args, request) {
        ("http", None, None, Some(request)) => parse_request(&request),
        ("http", ..) => Err("Handler type 'http' requires 'http_handler_config' to be set".to_owned()),
        ("" | "script", Some(Value::String(line)), None, None) => Ok(Handler::Program(shell(&line))),
        ("" | "script", None, Some(Value::Array(args)), None) => {
            let args: Option<Vec<String>> = args.iter().map(|arg| arg.as_str().map(str::to_owned)).collect();
            match args {
                Some(args) if !args.is_empty() => Ok(Handler::Program(args)),
                _ => Err("args must be a list of texts, the program first".to_owned()),
            }
        }
        ("" | "script", Some(_), Some(_), _) => Err("Only one watch handler allowed".to_owned()),
        ("" | "script", ..) => Err("Must define a watch handler".to_owned()),
        (other, ..) => Err(format!("Handler type '{other}' not recognized")),
    }
}

fn parse_request(request: &Value) -> Result<Handler, String> {
    let request = match request {
        // Files in HCL may say it as a list of one block.
        Value::Array(blocks) if blocks.len() == 1 => &blocks[0],
        other => other,
    };
    let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    let url = text("path");
    if url.is_empty() {
        return Err("Requires 'path' to be set".to_owned());
    }
    let timeout = match text("timeout").as_str() {
        "" => REQUEST_TIME_DEFAULT,
        text => model::parse_duration(text).map_err(|error| format!("Failed to parse timeout: {error}"))?,
    };
    let header = match &request["header"] {
        Value::Null => Map::new(),
        Value::Object(header) => header.clone(),
        _ => return Err("header must be lists of texts by name".to_owned()),
    };
    let values = |value: &Value| -> Vec<String> {
        let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let method = Some(text("method")).filter(|method| !method.is_empty()).unwrap_or_else(|| "POST".to_owned());
    let probe = HttpProbe {
        url,
        method,
        header: header.iter().map(|(name, value)| (name.clone(), values(value))).collect(),
        tls: TlsChoice {
            skip_verify: request["tls_skip_verify"].as_bool().unwrap_or_default(),
            ..TlsChoice::default()
        },
        ..HttpProbe::default()
    };
    Ok(Handler::Request { probe: Box::new(probe), timeout })
}

impl Handler {
    /// Tells the handler; what it said goes to the log.
    ///
    /// # Errors
    /// When it could not be told or failed.
    pub async fn tell(&self, change: &Change, tls: &CheckTls) -> Result<String, String> {
        match self {
            Self::Program(args) => {
                let mut command = command(args, change.index);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                let child = feed(command, body(change)?).map_err(|error| error.to_string())?;
                let output = tokio::time::timeout(PROGRAM_TIME_MAX, child.wait_with_output()).await;
                let output = output.map_err(|_| "it took too long and was killed".to_owned())?;
                let output = output.map_err(|error| error.to_string())?;
                let mut said = checks::Tail::new(OUTPUT_MAX);
                said.push(&output.stdout);
                said.push(&output.stderr);
                let said = said.into_text();
                match output.status.code() {
                    Some(0) => Ok(said),
                    Some(code) => Err(format!("exit status {code}: {said}")),
                    None => Err(format!("ended by a signal: {said}")),
                }
            }
            Self::Request { probe, timeout } => {
                let rows = String::from_utf8(body(change)?).map_err(|error| error.to_string())?;
                let mut probe = HttpProbe { body: rows, ..(**probe).clone() };
                let mut set = |name: &str, value: String| {
                    probe.header.entry(name.to_owned()).or_insert_with(|| vec![value]);
                };
                set("Content-Type", "application/json".to_owned());
                set("X-Consul-Index", change.index.to_string());
                let outcome = checks::http_request(&probe, tls, *timeout, OUTPUT_MAX).await;
                if outcome.status == Status::Passing { Ok(outcome.output) } else { Err(outcome.output) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn handlers_are_read_and_refused() {
        let parsed = |value: Value| parse(&mut value.as_object().cloned().unwrap_or_default());
        assert_eq!(parsed(json!({"args": ["a", "b"]})), Ok(Handler::Program(vec!["a".into(), "b".into()])));
        assert!(matches!(parsed(json!({"handler": "x"})), Ok(Handler::Program(args)) if args[1..] == ["-c", "x"]));
        let request =
            parsed(json!({"handler_type": "http", "http_handler_config": {"path": "http://a/", "timeout": "3s"}}));
        assert!(matches!(request, Ok(Handler::Request { timeout, .. }) if timeout == Duration::from_secs(3)));
        for (parameters, part) in [
            (json!({}), "Must define a watch handler"),
            (json!({"handler": "x", "args": ["y"]}), "Only one watch handler"),
            (json!({"handler_type": "http"}), "requires 'http_handler_config'"),
            (json!({"handler_type": "http", "http_handler_config": {}}), "Requires 'path'"),
            (json!({"handler_type": "pigeon"}), "not recognized"),
        ] {
            assert!(parsed(parameters).is_err_and(|error| error.contains(part)), "{part}");
        }
    }
}
