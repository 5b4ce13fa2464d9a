//! Watches of an agent's configuration: programs and URLs are told of changes in the same words by our agent and by the
//! Consul that CONCORD_ORACLE names, and a reload replaces them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(40);

/// A web server that answers everything with 200 and tells what it was sent.
fn listener() -> (u16, mpsc::Receiver<String>) {
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            // The body is one line of JSON.
            while !request.ends_with(b"\n") || request.ends_with(b"\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&buffer[..count]),
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if sender.send(String::from_utf8_lossy(&request).into_owned()).is_err() {
                return;
            }
        }
    });
    (port, received)
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let found = request.lines().find(|line| line.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase()));
    found.and_then(|line| line.split_once(": ")).map_or("", |(_, value)| value)
}

/// Runs an agent with watches, changes what they watch, and gives what the handlers were told.
fn story(program: &Program) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    let (port, requests) = listener();
    let config = folder.path().join("watches.json");
    let hook = format!("http://127.0.0.1:{port}/hook");
    let write = |key: &str| {
        let script = format!("cat >> {0}", told.display());
        let request = json!({ "path": hook, "method": "PUT", "header": { "X-Mine": ["yes"] } });
        let watches = json!({ "watches": [
            { "type": "key", "key": key, "args": ["/bin/sh", "-c", script] },
            { "type": "keyprefix", "prefix": "web/", "handler_type": "http", "http_handler_config": request },
        ] });
        let text = watches.to_string();
        std::fs::write(&config, text).expect("written");
    };
    write("first");
    let agent = Agent::server(program, &["-node=n1", &format!("-config-file={}", config.display())]);
    let put = |key: &str, value: &str| {
        let answer = agent.request("PUT", &format!("/v1/kv/{key}"), value.as_bytes()).expect("written");
        assert_eq!(answer.text(), "true");
    };
    let wait_for = |part: &str| {
        eventually("the program is told", PATIENCE, || match lines(&told).iter().any(|line| line.contains(part)) {
            true => Ok(()),
            false => Err(format!("{:?}\n{}", lines(&told), agent.log())),
        });
    };
    put("first", "one");
    wait_for("\"Value\":\"b25l\"");
    put("unrelated", "x");
    put("first", "two");
    wait_for("\"Value\":\"dHdv\"");
    put("web/a", "1");
    let request = loop {
        let request = requests.recv_timeout(PATIENCE).expect("a request");
        if request.contains("web/a") {
            break request;
        }
    };
    assert_eq!(header(&request, "X-Mine"), "yes");
    assert!(header(&request, "X-Consul-Index").parse::<u64>().is_ok_and(|index| index > 0), "{request}");

    write("second");
    assert_eq!(agent.request("PUT", "/v1/agent/reload", b"").expect("reloaded").status, 200);
    put("second", "three");
    wait_for("\"Value\":\"dGhyZWU=\"");
    let index_free = |line: &String| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        for name in ["CreateIndex", "ModifyIndex"] {
            if row[name].is_u64() {
                row[name] = 0.into();
            }
        }
        row.to_string()
    };
    let first_line = request.lines().next().unwrap_or_default().to_owned();
    let mut rows: Vec<String> = lines(&told).iter().map(index_free).filter(|row| row != "null").collect();
    rows.dedup();
    (rows, format!("{first_line} {}", header(&request, "Content-Type")))
}

#[test]
fn handlers_are_told_of_changes_as_by_consul() {
    let ours = story(&Program::ours());
    assert_eq!(ours.0.len(), 3, "{ours:?}");
    assert_eq!(ours.1, "PUT /hook HTTP/1.1 application/json");
    if let Some(oracle) = Program::oracle() {
        assert_eq!(story(&oracle), ours);
    }
}

#[test]
fn wrong_watches_end_the_start() {
    let wrong = "-hcl=watches = [{ type = \"zz\" args = [\"true\"] }]";
    let ended = Agent::start(&Program::ours(), &[wrong]).wait_until_ended();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(ended.log.contains("Unsupported watch type: zz"), "{}", ended.log);
}
