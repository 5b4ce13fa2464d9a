//! Programs that people run beside Consul, unmodified, against our agent: Prometheus, HAProxy, consul-template, and the
//! client libraries of Python and Java. Each sees a service become healthy, then critical, then gone. And a store that
//! speaks S3, for snapshots.
//!
//! `cargo xtask test clients` fetches and builds the programs and names their folder in `CONCORD_CLIENTS`; `haproxy` and
//! `java` come from the PATH.

mod s3;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tests::pki::Authority;
use tests::{Agent, LoopbackAddress, Program, eventually, http};

/// Longest that a program may take to notice a change.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of the programs that were fetched.
fn programs() -> PathBuf {
    let folder = std::env::var_os("CONCORD_CLIENTS").map(PathBuf::from);
    folder.expect("CONCORD_CLIENTS is not set: run `cargo xtask test clients`")
}

/// A server with the service `web` on port 8080, whose check is set by hand.
struct Service {
    agent: Agent,
}

impl Service {
    fn start() -> Self {
        let agent = Agent::server(&Program::ours(), &["-node=n1"]);
        agent.put(
            "/v1/agent/service/register",
            r#"{"Name": "web", "Port": 8080, "Address": "127.9.8.7", "Tags": ["v1"], "Check": {"TTL": "1h"}}"#,
        );
        let service = Self { agent };
        service.set("pass");
        service
    }

    fn api(&self) -> String {
        self.agent.address().port(8500).to_string()
    }

    /// Sets the check and waits until the catalog knows.
    fn set(&self, verb: &str) {
        self.agent.put(&format!("/v1/agent/check/{verb}/service:web"), "");
        let wanted = if verb == "pass" { "passing" } else { "critical" };
        eventually("the catalog follows", PATIENCE, || {
            let rows = self.agent.get_json("/v1/health/checks/web");
            if rows[0]["Status"] == wanted { Ok(()) } else { Err(rows.to_string()) }
        });
    }

    fn remove(&self) {
        self.agent.put("/v1/agent/service/deregister/web", "");
    }
}

/// A program that runs until it is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).expect("a log file");
        let both = file.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(both).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then both fail, and it is gone all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text_of(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Runs a program to its end, which must be a success; what it printed.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let (out, error) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} ended with {status}:\n{out}{error}");
    out.into_owned()
}

#[test]
fn prometheus_discovers_a_service() {
    let service = Service::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = LoopbackAddress::free().port(9090);
    let config = format!(
        "scrape_configs:\n- job_name: web\n  scrape_interval: 1h\n  consul_sd_configs:\n  - server: {}\n    \
         services: [web]\n    refresh_interval: 1s\n",
        service.api()
    );
    fs::write(folder.path().join("prometheus.yml"), config).expect("a file");
    let log = folder.path().join("log");
    let mut command = Command::new(programs().join("prometheus"));
    command.current_dir(folder.path()).arg("--config.file=prometheus.yml").arg("--storage.tsdb.path=data");
    let _prometheus = Running::start(command.arg(format!("--web.listen-address={own}")), &log);
    let sees = |wanted: Option<&str>| {
        eventually(&format!("Prometheus sees {wanted:?}"), PATIENCE, || {
            let answer = http::request(own, "GET", "/api/v1/targets", &[], b"");
            let answer = answer.map_err(|error| format!("{error}\n{}", text_of(&log)))?;
            if answer.status != 200 {
                return Err(answer.text());
            }
            let targets = answer.json()["data"]["activeTargets"].clone();
            let labels = &targets[0]["discoveredLabels"];
            let health = labels["__meta_consul_health"].as_str();
            let address = labels["__meta_consul_service_address"].as_str();
            let fits = health == wanted && (wanted.is_none() || address == Some("127.9.8.7"));
            if fits { Ok(()) } else { Err(targets.to_string()) }
        });
    };
    sees(Some("passing"));
    service.set("fail");
    sees(Some("critical"));
    service.remove();
    sees(None);
}

#[test]
fn haproxy_follows_srv_records() {
    let service = Service::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (socket, log) = (folder.path().join("socket"), folder.path().join("log"));
    let config = format!(
        "global\n  stats socket {} level admin\n\
         defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n\
         resolvers consul\n  nameserver agent {}\n  accepted_payload_size 8192\n  timeout resolve 200ms\n  \
         timeout retry 200ms\n  hold valid 100ms\n  hold obsolete 100ms\n  hold nx 100ms\n\
         backend web\n  server-template web 2 _web._tcp.service.consul resolvers consul init-addr none\n",
        socket.display(),
        service.agent.address().port(8600)
    );
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, config).expect("a file");
    let _haproxy = Running::start(Command::new("haproxy").arg("-db").arg("-f").arg(&file), &log);
    let sees = |wanted: &str| {
        eventually(&format!("HAProxy's servers are {wanted:?}"), PATIENCE, || {
            let shown =
                stats(&socket, "show servers conn web").map_err(|error| format!("{error}\n{}", text_of(&log)))?;
            let used: Vec<&str> = shown
                .lines()
                .filter_map(|line| line.split_whitespace().nth(1))
                .filter(|at| at.contains("127."))
                .collect();
            if used.join(" ") == wanted { Ok(()) } else { Err(shown.clone()) }
        });
    };
    sees("127.9.8.7:8080");
    service.set("fail");
    sees("");
    service.set("pass");
    sees("127.9.8.7:8080");
    service.remove();
    sees("");
}

/// Asks HAProxy's control socket; the servers with their addresses as `name address:port`.
fn stats(socket: &Path, command: &str) -> Result<String, String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).map_err(|error| error.to_string())?;
    // `show servers state` has the address and port of each server in fields 5 and 19.
    let command = command.replace("show servers conn", "show servers state");
    stream.write_all(format!("{command}\n").as_bytes()).map_err(|error| error.to_string())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let rows = text.lines().skip(2).filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        Some(format!("{} {}:{}", fields.get(3)?, fields.get(4)?, fields.get(18)?))
    });
    Ok(rows.collect::<Vec<_>>().join("\n"))
}

#[test]
fn consul_template_renders_what_is_healthy() {
    let service = Service::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (template, result) = (folder.path().join("in.tpl"), folder.path().join("out"));
    let text = "{{range service \"web\"}}{{.Name}} {{.Address}}:{{.Port}}\n{{end}}{{keyOrDefault \"color\" \"none\"}}";
    fs::write(&template, text).expect("a file");
    let log = folder.path().join("log");
    let mut command = Command::new(programs().join("consul-template"));
    command.arg(format!("-consul-addr={}", service.api()));
    command.arg(format!("-template={}:{}", template.display(), result.display()));
    let _template = Running::start(&mut command, &log);
    let renders = |wanted: &str| {
        eventually(&format!("the file is {wanted:?}"), PATIENCE, || {
            let found = text_of(&result);
            if found == wanted { Ok(()) } else { Err(format!("{found:?}\n{}", text_of(&log))) }
        });
    };
    renders("web 127.9.8.7:8080\nnone");
    service.set("fail");
    renders("none");
    service.agent.put("/v1/kv/color", "blue");
    renders("blue");
    service.set("pass");
    renders("web 127.9.8.7:8080\nblue");
    service.remove();
    renders("blue");
}

/// A server of HTTPS that wants certificates and tokens, and the arguments for a client: port, token, files.
struct Secured {
    agent: Agent,
    authority: Authority,
    _folder: tempfile::TempDir,
}

const TOKEN: &str = "5d9c3d3e-0e0f-4a6c-9d6a-6a1f2b3c4d5e";
/// Of the key stores of Java.
const PASSWORD: &str = "changeit";

impl Secured {
    fn start() -> Self {
        let address = LoopbackAddress::free();
        let authority = Authority::new("the clients'");
        authority.issue("server", &[&address.ip().to_string()], 2090);
        authority.issue("client", &["client.test"], 2090);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("secured.hcl");
        let acl = format!(
            "enabled = true default_policy = \"deny\" tokens {{ initial_management = {TOKEN:?} agent = {TOKEN:?} }}"
        );
        let config = format!(
            "{}verify_incoming_https = true\nports {{ https = 8501 }}\nacl {{ {acl} }}\n",
            authority.config("server")
        );
        fs::write(&file, config).expect("written");
        let file = format!("-config-file={}", file.display());
        let agent = Agent::start_at(&Program::ours(), address, &["-server", "-bootstrap-expect=1", "-node=n1", &file]);
        agent.wait_for_leader();
        eventually("the token is there", PATIENCE, || {
            let headers = [("X-Consul-Token", TOKEN)];
            let answer = http::request(address.port(8500), "GET", "/v1/acl/token/self", &headers, b"")?;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        });
        Self { agent, authority, _folder: folder }
    }

    fn arguments(&self, files: &[&str]) -> Vec<String> {
        let mut arguments = vec![self.agent.address().to_string(), "8501".to_owned(), TOKEN.to_owned()];
        arguments.extend(files.iter().map(|file| self.authority.path(file).display().to_string()));
        arguments
    }

    /// The same files as Java wants them.
    fn make_key_stores(&self) {
        let path = |name: &str| self.authority.path(name);
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-export", "-passout", &format!("pass:{PASSWORD}"), "-in"]).arg(path("client.pem"));
        run(openssl.arg("-inkey").arg(path("client.key")).arg("-out").arg(path("client.p12")));
        let mut keytool = Command::new("keytool");
        keytool.args(["-importcert", "-noprompt", "-alias", "ca", "-storepass", PASSWORD, "-file"]).arg(path("ca.pem"));
        run(keytool.arg("-keystore").arg(path("trust.jks")));
    }
}

fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

#[test]
fn the_python_client_works() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    let python = |arguments: &[String]| {
        let mut python = Command::new(programs().join("python/bin/python"));
        run(python.arg(client("client.py")).args(arguments))
    };
    assert_eq!(python(&[agent.address().to_string()]).lines().last(), Some("all done"));
    let secured = Secured::start();
    let files = ["ca.pem", "client.pem", "client.key"];
    assert_eq!(python(&secured.arguments(&files)).lines().last(), Some("all done"), "with a token and TLS");
}

#[test]
fn the_java_client_works() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    let java = |arguments: &[String]| {
        let mut java = Command::new("java");
        java.arg("-cp").arg(format!("{}/*", programs().join("java").display()));
        run(java.arg(client("Client.java")).args(arguments))
    };
    assert_eq!(java(&[agent.address().to_string()]).lines().last(), Some("all done"));
    let secured = Secured::start();
    secured.make_key_stores();
    let mut arguments = secured.arguments(&["client.p12", "trust.jks"]);
    arguments.push(PASSWORD.to_owned());
    assert_eq!(java(&arguments).lines().last(), Some("all done"), "with a token and TLS");
}
