//! Targets that hang, flood, drip, lie or will not die. Time and memory stay bounded, and the reason is told.

use std::time::Instant;

use super::super::{docker, grpc, h2ping, os_service, within};
use super::*;
use crate::local::{GrpcProbe, H2Probe, TlsChoice};

const SHORT: Duration = Duration::from_millis(300);

/// Sends the head, then the piece again and again with the pause between, for as long as someone takes it.
async fn endless(head: &'static str, piece: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut sent = stream.write_all(head.as_bytes()).await;
                while sent.is_ok() {
                    sent = stream.write_all(piece).await;
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn an_endless_body_is_read_for_a_while_and_the_status_counts() {
    static PIECE: [u8; 65536] = [b'x'; 65536];
    let flood = endless("HTTP/1.1 200 OK\r\n\r\n", &PIECE, Duration::ZERO).await;
    let outcome = get(&format!("http://{flood}/"), 50).await;
    assert_eq!(outcome.status, Status::Passing);
    assert!(outcome.output.ends_with(&"x".repeat(50)) && outcome.output.len() < 200);
}

#[tokio::test]
async fn a_dripping_body_ends_with_the_timeout_and_a_dripping_head_is_critical() {
    let drip = endless("HTTP/1.1 200 OK\r\n\r\n", b"x", Duration::from_millis(20)).await;
    let began = Instant::now();
    let outcome = http::run(&probe_of(&format!("http://{drip}/")), &tls(), SHORT, 100).await;
    assert_eq!(outcome.status, Status::Passing, "the status line came in time: {}", outcome.output);
    let head = endless("HTTP/1.1 200 OK\r\n", b"a: b\r\n", Duration::from_millis(20)).await;
    let outcome = http::run(&probe_of(&format!("http://{head}/")), &tls(), SHORT, 100).await;
    assert!(outcome.status == Status::Critical && outcome.output.contains("deadline exceeded"), "{}", outcome.output);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn endless_heads_are_refused() {
    let flood = endless("HTTP/1.1 200 OK\r\n", b"a: bcdefghijklmnopqrstuvwxyz\r\n", Duration::ZERO).await;
    let outcome = get(&format!("http://{flood}/"), 100).await;
    assert_eq!(outcome.status, Status::Critical, "{}", outcome.output);
}

#[tokio::test]
async fn garbage_instead_of_tls_or_http2_is_critical() {
    for garbage in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b"\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let address = endless("", garbage, Duration::ZERO).await;
        let choice = TlsChoice { skip_verify: true, ..TlsChoice::default() };
        let probe = HttpProbe { tls: choice.clone(), ..probe_of(&format!("https://{address}/")) };
        assert_eq!(http::run(&probe, &tls(), SHORT, 100).await.status, Status::Critical);
        for over in [None, Some(choice)] {
            let probe = GrpcProbe { target: address.clone(), tls: over.clone() };
            assert_eq!(within(SHORT, "grpc", grpc::run(&probe, &tls())).await.status, Status::Critical);
            let probe = H2Probe { address: address.clone(), tls: over };
            assert_eq!(within(SHORT, "ping", h2ping::run(&probe, &tls())).await.status, Status::Critical);
        }
    }
}

#[tokio::test]
async fn a_flooding_script_keeps_only_its_end() {
    let outcome = shell("head -c 20000000 /dev/zero | tr '\\0' y; echo end", TIMEOUT, 10).await;
    assert_eq!(outcome.output, "Captured 10 of 20000004 bytes\n...\nyyyyyyend\n");
    assert_eq!(outcome.status, Status::Passing);
}

#[tokio::test]
async fn a_script_that_ignores_signals_and_forks_is_killed_with_all_it_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pids = folder.path().join("pids");
    let text = format!(
        "trap '' TERM INT HUP; for i in 1 2 3; do (trap '' TERM; sleep 77) & echo $! >> {}; done; wait",
        pids.display()
    );
    let outcome = shell(&text, SHORT, 4096).await;
    assert_eq!(outcome.output, "Timed out (300ms) running check");
    let alive = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !(stat.is_empty() || stat.contains(") Z "))
    };
    let pids = std::fs::read_to_string(&pids).expect("written");
    assert_eq!(pids.lines().count(), 3);
    let dead = async {
        while pids.lines().any(alive) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, dead).await.expect("all are dead");
}

#[tokio::test]
async fn a_script_that_leaves_a_daemon_behind_has_ended_when_it_ends() {
    let began = Instant::now();
    let outcome = shell("sleep 3 & echo started", TIMEOUT, 4096).await;
    assert_eq!(outcome, Outcome { status: Status::Passing, output: "started\n".to_owned() });
    assert!(began.elapsed() < Duration::from_secs(2), "it waited for the daemon");
}

/// Open descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[tokio::test]
async fn hundreds_of_hanging_targets_do_not_hold_up_a_good_one() {
    let before = descriptors();
    let hanging = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let silent = hanging.local_addr().expect("bound");
    let good = server(&["HTTP/1.1 200 OK\r\n\r\nup"]).await;
    let settings = Settings { check_update_interval: Duration::ZERO, ..Settings::default() };
    let local = LocalAgent::open(settings, None, &[], &[], None).await.expect("opens");
    let register = async |name: &str, url: String| {
        let spec = format!(r#"{{"Name":"{name}","Check":{{"HTTP":"{url}","Interval":"1s","Timeout":"60s"}}}}"#);
        let spec: ServiceSpec = serde_json::from_str(&spec).expect("a test's own JSON");
        local.register_service(&spec, Source::Remote, false).await.expect("registered");
    };
    for at in 0..300 {
        register(&format!("bad{at}"), format!("http://{silent}/")).await;
    }
    register("good", format!("http://{good}/")).await;
    let mut changes = local.watch();
    let passes = async {
        while local.with_registry(|registry| !registry.checks()["service:good"].check.is_passing()) {
            changes.changed().await.expect("the agent lives");
        }
    };
    tokio::time::timeout(TIMEOUT, passes).await.expect("the good one is not held up");
    drop(local);
    // Every connection goes with its check.
    let closed = async {
        while descriptors() > before + 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, closed).await.expect("the connections are closed");
}

/// A Docker daemon that answers every connection with the next of the texts, and then with silence.
async fn daemon(folder: &std::path::Path, name: &str, answers: Vec<Vec<u8>>) -> String {
    let path = folder.join(name);
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            if let Some(answer) = answers.next() {
                let _ = stream.write_all(&answer).await;
            } else {
                open.push(stream);
            }
        }
    });
    format!("unix://{}", path.display())
}

fn http_answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn docker_daemons_that_hang_lie_or_close_are_critical() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = || http_answer(r#"{"Id":"e1"}"#);
    let piece = |length: u32, text: &str| {
        let head = [&[1, 0, 0, 0][..], &length.to_be_bytes()].concat();
        let size = head.len() + text.len();
        [format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes(), head, text.into()].concat()
    };
    for (name, answers) in [
        ("silent", vec![]),
        ("closes", vec![Vec::new()]),
        ("garbage", vec![b"\0\xff not HTTP\r\n\r\n".to_vec()]),
        ("no-json", vec![http_answer("{{{")]),
        ("no-id", vec![http_answer("{}")]),
        ("long-id", vec![http_answer(&format!(r#"{{"Id":"{}"}}"#, "x".repeat(100_000)))]),
        ("cut", vec![b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec()]),
        ("huge-head", vec![[b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(200_000)].concat()]),
        ("lying-piece", vec![made(), piece(u32::MAX, "short"), http_answer("{}")]),
        ("no-end", vec![made(), piece(2, "ok")]),
        ("odd-code", vec![made(), piece(2, "ok"), http_answer(r#"{"ExitCode":"0"}"#)]),
        ("big-code", vec![made(), piece(2, "ok"), http_answer(r#"{"ExitCode":9999999999}"#)]),
    ] {
        let host = daemon(folder.path(), name, answers).await;
        let outcome = within(SHORT * 3, "docker", docker::run(&host, "web", &["true".to_owned()], 100)).await;
        assert_eq!(outcome.status, Status::Critical, "{name}: {}", outcome.output);
        assert!(!outcome.output.is_empty() && outcome.output.len() < 10_000, "{name}: {}", outcome.output.len());
    }
}

#[tokio::test]
async fn a_docker_program_that_floods_keeps_only_its_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "y".repeat(5_000_000);
    let head = [&[1, 0, 0, 0][..], &5_000_000_u32.to_be_bytes()].concat();
    let output = [b"HTTP/1.1 200 OK\r\ncontent-length: 5000008\r\n\r\n".to_vec(), head, text.into_bytes()].concat();
    let answers = vec![http_answer(r#"{"Id":"e1"}"#), output, http_answer(r#"{"ExitCode":0}"#)];
    let host = daemon(folder.path(), "flood", answers).await;
    let outcome = within(TIMEOUT, "docker", docker::run(&host, "web", &["true".to_owned()], 100)).await;
    assert_eq!(outcome.status, Status::Passing, "{}", outcome.output);
    assert!(outcome.output.ends_with(&"y".repeat(100)) && outcome.output.len() < 300, "{}", outcome.output.len());
}

#[tokio::test]
async fn a_service_manager_that_hangs_floods_or_lies_is_critical() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [
        ("hangs", "exec sleep 77"),
        ("floods", "head -c 5000000 /dev/zero | tr '\\0' y"),
        ("lies", "echo active indeed"),
        ("binary", "printf '\\377\\376active'"),
        ("silent", "exit 0"),
    ] {
        let program = folder.path().join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
        let limit = if name == "hangs" { SHORT } else { TIMEOUT };
        let outcome = os_service::run(&program.display().to_string(), "web", limit).await;
        assert_eq!(outcome.status, Status::Critical, "{name}: {}", outcome.output);
        assert!(outcome.output.len() < 1000, "{name}: {}", outcome.output.len());
    }
}

#[tokio::test]
async fn grpc_and_http2_targets_that_hang_or_close_are_critical() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let silent = hanging.local_addr().expect("bound").to_string();
    let closing = server(&[""]).await;
    // An empty SETTINGS frame, then nothing; and one that promises more than comes.
    let settings_only = endless("\0\0\0\u{4}\0\0\0\0\0", b"", Duration::from_millis(20)).await;
    let cut_frame = server(&["\0\0\u{7f}\u{1}\u{4}\0\0\0\u{1}abc"]).await;
    for target in [silent, closing, settings_only, cut_frame] {
        let probe = GrpcProbe { target: target.clone(), tls: None };
        let outcome = within(SHORT, "grpc", grpc::run(&probe, &tls())).await;
        assert_eq!(outcome.status, Status::Critical, "{target}: {}", outcome.output);
        let probe = H2Probe { address: target.clone(), tls: None };
        let outcome = within(SHORT, "ping", h2ping::run(&probe, &tls())).await;
        assert_eq!(outcome.status, Status::Critical, "{target}: {}", outcome.output);
    }
}
