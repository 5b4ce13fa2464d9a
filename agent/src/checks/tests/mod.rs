//! Checks against real programs and sockets on the loopback interface, and the runner from registration to result.

use std::time::Duration;

use client::tls::TlsSettings;
use model::{Node, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::net::CheckTls;
use super::{Outcome, http, script, tcp};
use crate::local::{HttpProbe, LocalAgent, ServiceSpec, Settings, Source};

mod hostile;
mod kinds;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Answers one connection after another with the texts, and returns its address.
async fn server(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        for answer in answers.iter().cycle() {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn get(url: &str, limit: usize) -> Outcome {
    http::run(&probe_of(url), &tls(), TIMEOUT, limit).await
}

fn probe_of(url: &str) -> HttpProbe {
    HttpProbe { url: url.to_owned(), method: "GET".to_owned(), ..HttpProbe::default() }
}

fn tls() -> CheckTls {
    CheckTls::new(TlsSettings::default())
}

#[tokio::test]
async fn http_statuses_become_states() {
    for (answer, status, shown) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", Status::Passing, "204 No Content Output: "),
        (
            "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\nno",
            Status::Warning,
            "429 Too Many Requests Output: no",
        ),
        (
            "HTTP/1.1 500 Internal Server Error\r\n\r\nabcdefgh",
            Status::Critical,
            "500 Internal Server Error Output: efgh",
        ),
    ] {
        let address = server(Box::leak(Box::new([answer]))).await;
        let outcome = get(&format!("http://{address}/x"), 4).await;
        assert_eq!(outcome, Outcome { status, output: format!("HTTP GET http://{address}/x: {shown}") });
    }
}

#[tokio::test]
async fn http_redirects_are_followed_only_on_request_and_not_for_ever() {
    const ANSWERS: &[&str] = &["HTTP/1.1 302 Found\r\nlocation: /there\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhere"];
    let following = |url: String| HttpProbe { follow_redirects: true, ..probe_of(&url) };
    let away = server(ANSWERS).await;
    let outcome = http::run(&following(format!("http://{away}/")), &tls(), TIMEOUT, 100).await;
    assert_eq!(outcome.status, Status::Passing);
    let away = server(ANSWERS).await;
    let outcome = get(&format!("http://{away}/"), 100).await;
    assert_eq!(outcome.status, Status::Critical);
    let hint = "302 Found Output:  (redirect to /there not followed; set disable_redirects to false to follow)";
    assert_eq!(outcome.output, format!("HTTP GET http://{away}/: {hint}"));
    let circle = server(&["HTTP/1.1 302 Found\r\nlocation: /again\r\n\r\n"]).await;
    let outcome = http::run(&following(format!("http://{circle}/")), &tls(), TIMEOUT, 100).await;
    assert_eq!(outcome.output, format!("Get \"http://{circle}/\": stopped after 10 redirects"));
}

#[tokio::test]
async fn http_failures_are_critical_and_say_why() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = free.local_addr().expect("bound");
    drop(free);
    let outcome = get(&format!("http://{address}/"), 100).await;
    let refused = format!("Get \"http://{address}/\": dial tcp {address}: connect: connection refused");
    assert_eq!(outcome, Outcome { status: Status::Critical, output: refused });
    for url in ["http://", "ht tp://x", "ftp://127.0.0.1/", "https://127.0.0.1/", "nonsense"] {
        assert_eq!(get(url, 100).await.status, Status::Critical, "{url}");
    }
    let garbage = server(&["\0\0\0 not HTTP\r\n\r\n"]).await;
    assert_eq!(get(&format!("http://{garbage}/"), 100).await.status, Status::Critical);
}

#[tokio::test]
async fn a_silent_server_ends_with_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let probe = HttpProbe { method: "POST".to_owned(), body: "x".to_owned(), ..probe_of(&url) };
    let outcome = http::run(&probe, &tls(), Duration::from_millis(50), 100).await;
    assert_eq!(outcome.status, Status::Critical);
    assert!(outcome.output.starts_with("Post \"http://") && outcome.output.contains("deadline exceeded"));
}

#[tokio::test]
async fn tcp_checks_connect() {
    let address = server(&[""]).await;
    let connected = Outcome { status: Status::Passing, output: format!("TCP connect {address}: Success") };
    assert_eq!(tcp::run(&address).await, connected);
    let outcome = tcp::run("127.0.0.1").await;
    assert_eq!(outcome.output, "dial tcp: address 127.0.0.1: missing port in address");
}

async fn shell(text: &str, timeout: Duration, limit: usize) -> Outcome {
    let args: Vec<String> = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    script::run(&args, timeout, limit).await
}

#[tokio::test]
async fn exit_codes_become_states_and_both_outputs_are_kept_in_order() {
    let outcome = shell("echo one; echo two >&2; echo three", TIMEOUT, 4096).await;
    assert_eq!(outcome, Outcome { status: Status::Passing, output: "one\ntwo\nthree\n".to_owned() });
    assert_eq!(shell("exit 1", TIMEOUT, 4096).await.status, Status::Warning);
    assert_eq!(shell("exit 2", TIMEOUT, 4096).await.status, Status::Critical);
    assert_eq!(shell("kill -9 $$", TIMEOUT, 4096).await.status, Status::Critical);
    assert_eq!(shell("printf abcdef", TIMEOUT, 4).await.output, "Captured 4 of 6 bytes\n...\ncdef");
    let missing = script::run(&["/no/such/program".to_owned()], TIMEOUT, 4096).await;
    assert!(missing.output.contains("/no/such/program"), "{}", missing.output);
}

#[tokio::test]
async fn a_slow_script_is_killed_with_its_children() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = format!("sleep 60 & echo $! > {}; wait", file.path().display());
    let outcome = shell(&text, Duration::from_millis(500), 4096).await;
    assert_eq!(outcome, Outcome { status: Status::Critical, output: "Timed out (500ms) running check".to_owned() });
    let child: i32 = std::fs::read_to_string(file.path()).expect("written").trim().parse().expect("a process id");
    let ended = async {
        // The child is reaped by init, which takes a moment; a zombie is dead as well.
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, ended).await.expect("the child is dead");
}

#[tokio::test]
async fn results_reach_the_registry_and_aliases_follow() {
    let settings = Settings {
        node: Node { node: "n1".into(), ..Node::default() },
        script_checks: true,
        local_script_checks: true,
        check_update_interval: Duration::ZERO,
        ..Settings::default()
    };
    let local = LocalAgent::open(settings, None, &[], &[], None).await.expect("opens");
    let spec = |json: &str| serde_json::from_str::<ServiceSpec>(json).expect("a test's own JSON");
    let web = spec(r#"{"Name":"web","Check":{"ScriptArgs":["/bin/sh","-c","echo up"],"Interval":"1s"}}"#);
    let front = spec(r#"{"Name":"front","Check":{"AliasService":"web"}}"#);
    let mut changes = local.watch();
    local.register_service(&front, Source::Remote, false).await.expect("registered");
    local.register_service(&web, Source::Remote, false).await.expect("registered");
    let passing = async {
        loop {
            let both = local.with_registry(|registry| {
                registry.checks().values().map(|entry| entry.check.output.clone()).collect::<Vec<_>>()
            });
            if both == ["All checks passing.", "up\n"] {
                return;
            }
            changes.changed().await.expect("the agent lives");
        }
    };
    tokio::time::timeout(TIMEOUT, passing).await.expect("both checks pass");
    assert_eq!(local.running_checks(), (0, 2));
    local.deregister_service(&"web".into()).await.expect("removed");
    assert_eq!(local.running_checks(), (0, 1));
}
