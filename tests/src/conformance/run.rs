//! Tells the stories to a program and compares what it answers.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::{self, Response};
use crate::{Agent, Program, eventually};

use super::case::{Case, Expected, Outcome, Script, Send};
use super::normal::Names;

/// The line that puts a client agent between the story and the server.
const THROUGH_CLIENT: &str = "through a client";
/// Stories told at the same time.
const THREADS: usize = 4;
/// How long a blocking query is left to settle on the server before the change that must wake it.
const SETTLE: Duration = Duration::from_millis(300);
/// How long a connection must stay silent to count as open.
const OPEN_AFTER: Duration = Duration::from_millis(500);
/// Longest that a fresh server may take until its own node is registered in full.
const REGISTER_PATIENCE: Duration = Duration::from_secs(60);

/// What came of telling the stories.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases told.
    pub cases: usize,
    /// Differences, as text.
    pub failures: Vec<String>,
}

/// Tells every story below `folder` to a program. With `update`, what it answers is recorded in the files instead.
///
/// # Panics
/// When a file cannot be read or understood, or an agent does not start.
#[must_use]
pub fn run_all(program: &Program, folder: &Path, update: bool) -> Report {
    let filter = std::env::var("CONFORMANCE").unwrap_or_default();
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    files.retain(|file| file.to_string_lossy().contains(&filter));
    assert!(!files.is_empty(), "no conformance files below {} match {filter:?}", folder.display());
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (cases, failures) = run_file(program, file, update);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.cases += cases;
                    report.failures.extend(failures);
                }
            });
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
}

fn run_file(program: &Program, file: &Path, update: bool) -> (usize, Vec<String>) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut script = Script::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut arguments = vec!["-node=n1"];
    arguments.extend(script.arguments.iter().map(String::as_str).filter(|argument| argument.starts_with('-')));
    let server = Agent::server(program, &arguments);
    wait_until_registered(&server, "n1");
    let client = script.arguments.iter().any(|argument| argument == THROUGH_CLIENT).then(|| {
        let join = format!("-retry-join={}", server.address());
        let client = Agent::start(program, &["-node=c1", &join]);
        client.wait_for_leader();
        wait_until_registered(&server, "c1");
        client
    });
    let agent = client.as_ref().unwrap_or(&server);
    let mut story = Story { agent, server: &server, names: Names::default(), variables: HashMap::new() };
    story.variables.insert("ip", agent.address().to_string());
    let mut failures = Vec::new();
    for case in &mut script.cases {
        let told = story.tell(case);
        let wanted = match &case.ours {
            Some((_, ours)) if !program.is_oracle => ours,
            _ => &case.expected,
        };
        if let Some(why) = told.late.filter(|_| !update) {
            failures.push(format!("{}:{}: {} {}: {why}", file.display(), case.line, case.send.method, case.send.path));
        }
        if told.answer == *wanted {
            continue;
        }
        if !update {
            failures.push(difference(file, case, wanted, &told.answer));
        } else if program.is_oracle {
            case.expected = told.answer;
        } else if let Some((_, ours)) = &mut case.ours {
            *ours = told.answer;
        }
    }
    let count = script.cases.len();
    if update {
        std::fs::write(file, script.render()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    (count, failures)
}

/// An agent is registered by itself and by the leader, in either order; stories start after both.
fn wait_until_registered(server: &Agent, name: &str) {
    eventually("the registration of the agent's own node", REGISTER_PATIENCE, || {
        let response = server.request("GET", &format!("/v1/catalog/node/{name}"), b"")?;
        let checks = server.request("GET", &format!("/v1/health/node/{name}"), b"")?.text();
        let is_whole = response.json()["Node"]["Meta"].is_object() && checks.contains("serfHealth");
        if is_whole { Ok(()) } else { Err(response.text() + &checks) }
    });
}

struct Story<'a> {
    /// Who is asked.
    agent: &'a Agent,
    server: &'a Agent,
    names: Names,
    /// Values of `$name` in requests.
    variables: HashMap<&'static str, String>,
}

struct Told {
    answer: Expected,
    /// Set when the time it took was wrong.
    late: Option<String>,
}

impl Story<'_> {
    fn tell(&mut self, case: &Case) -> Told {
        let ip = self.server.address().to_string();
        let address = self.agent.address().port(8500);
        let start = Instant::now();
        let result = match &case.meanwhile {
            None => self.send(address, &case.send),
            Some((method, path, body)) => {
                let (path, body) = (self.substitute(path), self.substitute(body));
                std::thread::scope(|scope| {
                    let waiting = scope.spawn(|| self.send(address, &case.send));
                    std::thread::sleep(SETTLE);
                    let change = http::request(address, method, &path, &[], body.as_bytes());
                    let status = change.unwrap_or_else(|error| panic!("{method} {path}: {error}")).status;
                    assert_eq!(status, 200, "the meanwhile of line {}: {method} {path}", case.line);
                    waiting.join().unwrap_or_else(|_| panic!("line {} panicked", case.line))
                })
            }
        };
        let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let late = case.takes.filter(|(from, to)| !(*from..=*to).contains(&took));
        let late = late.map(|(from, to)| format!("took {took} ms, not {from} to {to}"));
        let answer = match result {
            Ok(mut response) => {
                self.remember(&response);
                if case.any_order {
                    response.body = sort_texts(&response.body);
                }
                self.names.normalise(&response, &ip, case.any_index)
            }
            Err(outcome) => Expected { outcome, ..Expected::default() },
        };
        Told { answer, late }
    }

    fn remember(&mut self, response: &Response) {
        if response.index() > 0 {
            self.variables.insert("index", response.index().to_string());
        }
        let json = serde_json::from_slice::<serde_json::Value>(&response.body).unwrap_or_default();
        if let Some(id) = json.get("ID").and_then(|id| id.as_str()) {
            // The names last, so that a story may hold two of them at a time.
            let first = self.variables.remove("session");
            self.variables.extend(first.map(|first| ("before", first)));
            self.variables.insert("session", id.to_owned());
        }
        if let Some(index) = json.get(0).and_then(|entry| entry.get("ModifyIndex")) {
            self.variables.insert("modify", index.to_string());
        }
    }

    fn substitute(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
    }

    fn send(&self, address: SocketAddr, send: &Send) -> Result<Response, Outcome> {
        let body = send.body_bytes(|text| self.substitute(text)).unwrap_or_else(|error| panic!("{error}"));
        if send.method == "RAW" {
            return send_raw(address, &body, send.is_closed);
        }
        let headers: Vec<(&str, &str)> = send.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let answer = http::request(address, &send.method, &self.substitute(&send.path), &headers, &body);
        answer.map_err(|_| Outcome::Closed)
    }
}

/// The JSON with every list of texts sorted.
fn sort_texts(json: &[u8]) -> Vec<u8> {
    fn sort(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Array(items) => {
                items.iter_mut().for_each(sort);
                if items.iter().all(serde_json::Value::is_string) {
                    items.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
                }
            }
            serde_json::Value::Object(pairs) => pairs.values_mut().for_each(sort),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_slice(json) else {
        return json.to_vec();
    };
    sort(&mut value);
    value.to_string().into_bytes()
}

/// Sends bytes; the first complete answer, or what else became of the connection.
fn send_raw(address: SocketAddr, bytes: &[u8], close: bool) -> Result<Response, Outcome> {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"));
    // The server may have answered and closed before all was sent.
    let _ = stream.write_all(bytes);
    if close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let _ = stream.set_read_timeout(Some(OPEN_AFTER));
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let ended = loop {
        match stream.read(&mut chunk) {
            Ok(0) => break true,
            Ok(len) => answer.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
            Err(_) => break true,
        }
    };
    match http::parse(&answer) {
        Ok(response) => Ok(response),
        Err(_) if ended => Err(Outcome::Closed),
        Err(_) => Err(Outcome::Open),
    }
}

fn difference(file: &Path, case: &Case, wanted: &Expected, got: &Expected) -> String {
    let mut text = format!("{}:{}: {} {}\n", file.display(), case.line, case.send.method, case.send.path);
    let lines = |expected: &Expected| -> Vec<String> {
        std::iter::once(expected.outcome.text()).chain(expected.lines()).collect()
    };
    let (wanted, got) = (lines(wanted), lines(got));
    for line in wanted.iter().filter(|line| !got.contains(line)) {
        let _ = writeln!(text, "  - {line}");
    }
    for line in got.iter().filter(|line| !wanted.contains(line)) {
        let _ = writeln!(text, "  + {line}");
    }
    if wanted.iter().all(|line| got.contains(line)) && got.iter().all(|line| wanted.contains(line)) {
        let _ = writeln!(text, "  lines in another order: wanted {wanted:?}, got {got:?}");
    }
    text
}
