//! TLS with real processes: a cluster that is switched over while it runs, a scan with OpenSSL's client, and new
//! certificates without a restart. Without `openssl` the scan says so and passes.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::pki::Authority;
use tests::{Agent, LoopbackAddress, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// Writes and reads through an agent, over whatever way it takes to the leader.
fn works(agent: &Agent, value: &str) {
    eventually(&format!("a write of {value}"), PATIENCE, || {
        let put = agent.request("PUT", "/v1/kv/k", value.as_bytes())?;
        let got = agent.request("GET", "/v1/kv/k?raw&consistent", b"")?;
        let fits = put.status == 200 && got.text() == value;
        if fits { Ok(()) } else { Err(format!("{} {} {}\n{}", put.status, put.text(), got.text(), agent.log())) }
    });
}

#[test]
fn a_cluster_is_switched_to_tls_while_it_runs() {
    let authority = Authority::new("the cluster's");
    authority.issue("server", &["server.dc1.consul", "localhost"], 2090);
    authority.issue("client", &["client.dc1.consul"], 2090);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| folder.path().join(format!("{name}.hcl"));
    let write = |name: &str, text: &str| std::fs::write(file(name), text).expect("written");
    let mut agents: Vec<(&str, Agent)> = Vec::new();
    for name in ["s1", "s2", "s3", "c1"] {
        write(name, "");
        let (node, file) = (format!("-node={name}"), format!("-config-file={}", file(name).display()));
        let join = agents.first().map(|(_, seed)| format!("-retry-join={}", seed.address()));
        let mut arguments = vec![node.as_str(), file.as_str()];
        arguments.extend(join.as_deref());
        if name != "c1" {
            arguments.extend(["-server", "-bootstrap-expect=3"]);
        }
        agents.push((name, Agent::start(&Program::ours(), &arguments)));
    }
    works(&agents[3].1, "plain");
    let shown = |name: &str| authority.config(if name == "c1" { "client" } else { "server" });
    for settings in ["", "verify_outgoing = true\nverify_incoming = true\nverify_server_hostname = true\n"] {
        for at in 0..agents.len() {
            let (name, agent) = &mut agents[at];
            write(name, &format!("{}{settings}", shown(name)));
            agent.terminate();
            agent.restart();
            let changed = format!("{name} {}", settings.len());
            for (_, agent) in &agents {
                works(agent, &changed);
            }
        }
    }
    let server = agents[0].1.address().port(8300);
    let mut stream = std::net::TcpStream::connect(server).expect("it listens");
    stream.write_all(&[&[0xC0, 1, 0, 0][..], &[0; 16]].concat()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, [0xC0, 5, 0, 0], "plain text is not taken any more");
    drop(stream);
    eventually("a word in the log", PATIENCE, || {
        let log = agents[0].1.log();
        if log.contains("Non-TLS connection attempted with VerifyIncoming set") { Ok(()) } else { Err(log) }
    });
}

/// What OpenSSL's client says of a connection.
struct Scanned {
    is_shaken: bool,
    text: String,
}

/// Connects with OpenSSL's client and sends a line, which ends the conversation.
fn scan(address: SocketAddr, line: &[u8], arguments: &[&str]) -> Scanned {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-connect", &address.to_string()]).args(arguments);
    let both = tempfile::NamedTempFile::new().expect("a temporary file");
    let out = both.reopen().expect("a handle");
    let error = out.try_clone().expect("a handle");
    let mut child = command.stdin(Stdio::piped()).stdout(out).stderr(error).spawn().expect("openssl runs");
    let mut stdin = child.stdin.take().expect("piped");
    // It may have ended by itself.
    let _ = stdin.write_all(line);
    child.wait().expect("it ends when the server closes");
    let text = String::from_utf8_lossy(&std::fs::read(both.path()).expect("its output")).into_owned();
    Scanned { is_shaken: text.contains("CONNECTION ESTABLISHED"), text }
}

const ASK: &[u8] = b"GET /v1/status/leader HTTP/1.0\r\n\r\n";
/// No greeting of RPC: the server closes at once. (Q would be an order to OpenSSL.)
const GARBAGE: &[u8] = b"X\r\n";

fn tls_server(authority: &Authority, shown: &str, more: &str) -> (Agent, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("tls.hcl");
    let text = format!("{}{more}\nports {{ https = 8501 }}\n", authority.config(shown));
    std::fs::write(&config, text).expect("written");
    (Agent::server(&Program::ours(), &[&format!("-config-file={}", config.display())]), folder)
}

fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        println!("no openssl: nothing scanned");
    }
    found
}

#[test]
fn versions_and_suites_are_the_good_ones() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new("scanned");
    authority.issue("server", &["server.dc1.consul", "localhost"], 2090);
    let (agent, _folder) = tls_server(&authority, "server", "");
    let ca = authority.path("ca.pem").display().to_string();
    for (port, line) in [(8501, ASK), (8300, GARBAGE)] {
        let scan = |arguments: &[&str]| scan(agent.address().port(port), line, arguments);
        for (good, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let found = scan(&[good, "-CAfile", &ca, "-verify_return_error", "-verify_hostname", "server.dc1.consul"]);
            assert!(found.is_shaken && found.text.contains(&format!("Protocol version: {version}")), "{}", found.text);
        }
        for bad in [
            &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            &["-tls1_2", "-cipher", "AES128-SHA"],
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"],
            &["-tls1_2", "-cipher", "3DES:RC4:NULL:aNULL:eNULL:EXPORT:@SECLEVEL=0"],
        ] {
            let found = scan(bad);
            assert!(!found.is_shaken, "{bad:?} on {port}: {}", found.text);
        }
        let named = scan(&["-CAfile", &ca, "-verify_return_error", "-verify_hostname", "server.dc2.consul"]);
        assert!(!named.is_shaken && named.text.contains("hostname mismatch"), "{}", named.text);
        let stranger = scan(&["-verify_return_error", "-no-CAfile", "-no-CApath", "-no-CAstore"]);
        assert!(!stranger.is_shaken, "{}", stranger.text);
    }
    let answer = scan(agent.address().port(8501), ASK, &["-CAfile", &ca]);
    assert!(answer.text.contains("200 OK") && answer.text.contains(":8300"), "{}", answer.text);
}

#[test]
fn clients_need_a_good_certificate_and_are_told_what_is_wrong_with_theirs() {
    if !has_openssl() {
        return;
    }
    let (authority, stranger) = (Authority::new("scanned"), Authority::new("a stranger"));
    authority.issue("server", &["server.dc1.consul"], 2090);
    authority.issue("good", &["client.dc1.consul"], 2090);
    authority.issue("old", &["client.dc1.consul"], 2021);
    stranger.issue("good", &["client.dc1.consul"], 2090);
    let (agent, _folder) = tls_server(&authority, "server", "verify_incoming = true\nlog_level = \"debug\"");
    for (port, line) in [(8501, ASK), (8300, GARBAGE)] {
        for version in ["-tls1_2", "-tls1_3"] {
            let scan = |by: &Authority, name: &str| {
                let path = |ending: &str| by.path(&format!("{name}.{ending}")).display().to_string();
                scan(agent.address().port(port), line, &[version, "-cert", &path("pem"), "-key", &path("key")])
            };
            let found = scan(&authority, "good");
            assert!(found.is_shaken && !found.text.contains("alert"), "{port} {version}: {}", found.text);
            let refused = [(&authority, "old", "certificate expired"), (&stranger, "good", "unknown ca")];
            for (by, name, alert) in refused {
                let found = scan(by, name);
                assert!(found.text.contains(alert), "{port} {version} {name}: {}", found.text);
                assert!(!found.text.contains("200 OK"), "{port} {version} {name}: {}", found.text);
            }
        }
        let nobody = scan(agent.address().port(port), line, &["-tls1_3"]);
        assert!(nobody.text.contains("certificate required"), "{port}: {}", nobody.text);
    }
    let log = agent.log();
    for told in ["its certificate has expired", "an authority that is not in ca_file", "it showed no certificate"] {
        assert!(log.contains(told), "{told:?} is not in the log:\n{log}");
    }
}

fn copy(authority: &Authority, from: &str, to: &str) {
    for ending in ["pem", "key"] {
        let path = |name: &str| authority.path(&format!("{name}.{ending}"));
        std::fs::copy(path(from), path(to)).expect("copied");
    }
}

fn shows(address: SocketAddr, ca: &Path, name: &str) -> Result<(), String> {
    let ca = ca.display().to_string();
    let line = if address.port() == 8501 { ASK } else { GARBAGE };
    let found = scan(address, line, &["-CAfile", &ca, "-verify_return_error", "-verify_hostname", name]);
    if found.is_shaken { Ok(()) } else { Err(found.text) }
}

#[test]
fn new_certificates_are_taken_without_a_restart_and_bad_ones_are_not() {
    if !has_openssl() {
        return;
    }
    let authority = Authority::new("renewing");
    for name in ["first", "second", "third"] {
        authority.issue(name, &["localhost", &format!("{name}.test")], 2090);
    }
    copy(&authority, "first", "shown");
    let (agent, _folder) = tls_server(&authority, "shown", "telemetry { disable_hostname = true }");
    let (pid, ca) = (agent.pid(), authority.path("ca.pem"));
    let both = [agent.address().port(8501), agent.address().port(8300)];
    for address in both {
        shows(address, &ca, "first.test").unwrap_or_else(|error| panic!("{address}: {error}"));
    }
    copy(&authority, "second", "shown");
    for address in both {
        eventually("the second certificate, noticed by itself", PATIENCE, || shows(address, &ca, "second.test"));
    }
    std::fs::write(authority.path("shown.pem"), "nonsense").expect("written");
    eventually("a word in the log", PATIENCE, || {
        let log = agent.log();
        let told = log.contains("changed certificate files are of no use") && log.contains("shown.pem");
        if told { Ok(()) } else { Err(log) }
    });
    for address in both {
        shows(address, &ca, "second.test").unwrap_or_else(|error| panic!("{address}: {error}"));
    }
    copy(&authority, "third", "shown");
    agent.signal(Signal::SIGHUP);
    for address in both {
        eventually("the third certificate, by a signal", PATIENCE, || shows(address, &ca, "third.test"));
    }
    assert_eq!(agent.pid(), pid);
    let gauges = agent.get_json("/v1/agent/metrics")["Gauges"].clone();
    let expiry = gauges.as_array().into_iter().flatten().find(|row| row["Name"] == "consul.agent.tls.cert.expiry");
    let left = expiry.and_then(|row| row["Value"].as_f64()).unwrap_or_else(|| panic!("{gauges}"));
    assert!(left > 3600.0 * 24.0 * 365.0, "{left}");
}

/// The command line of one program against the agent of the other.
fn asks(asking: &Program, address: LoopbackAddress, authority: &Authority, shown: &str) -> Result<String, String> {
    let path = |name: &str| authority.path(name).display().to_string();
    let (ca, cert, key) = (path("ca.pem"), path(&format!("{shown}.pem")), path(&format!("{shown}.key")));
    let mut command = Command::new(asking.path());
    command.args(["catalog", "nodes", &format!("-http-addr=https://{}", address.port(8501))]);
    command.args(["-ca-file", &ca, "-client-cert", &cert, "-client-key", &key]);
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn our_commands_and_consuls_reach_each_others_https() {
    let Some(oracle) = Program::oracle() else {
        println!("no oracle: nothing compared");
        return;
    };
    let (authority, stranger) = (Authority::new("of both"), Authority::new("of nobody"));
    stranger.issue("client", &["client"], 2090);
    stranger.issue("server", &["localhost"], 2090);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (asking, asked) in [(Program::ours(), oracle.clone()), (oracle, Program::ours())] {
        let address = LoopbackAddress::free();
        let name = format!("n{}", address.ip().to_string().replace('.', "-"));
        authority.issue("server", &[&address.ip().to_string()], 2090);
        authority.issue("client", &["client"], 2090);
        let config = folder.path().join(format!("{name}.hcl"));
        let text = format!("{}verify_incoming_https = true\nports {{ https = 8501 }}\n", authority.config("server"));
        std::fs::write(&config, text).expect("written");
        let (node, file) = (format!("-node={name}"), format!("-config-file={}", config.display()));
        let agent = Agent::start_at(&asked, address, &["-server", "-bootstrap-expect=1", &node, &file]);
        agent.wait_for_leader();
        eventually("the node is listed", PATIENCE, || {
            let listed = asks(&asking, address, &authority, "client")?;
            if listed.contains(&name) { Ok(()) } else { Err(listed) }
        });
        let error = asks(&asking, address, &stranger, "client").expect_err("another authority");
        assert!(error.contains("certificate") || error.contains("authority"), "{error}");
    }
}
