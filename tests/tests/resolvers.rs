//! Resolvers of others in front of the agent: each forwards the zone `consul` and must answer as the agent does.
//!
//! Which programs there are is for the stage `tools` to see to: a test whose program is missing fails.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::dns::Question;
use tests::{Agent, Program, eventually};

/// Longest that a resolver may take to start, or to see a change.
const PATIENCE: Duration = Duration::from_secs(60);

/// Instances whose addresses fit into no UDP answer of a usual size.
const MANY: usize = 100;

/// A resolver that runs for as long as the value lives.
struct Resolver {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has told then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Resolver {
    /// Starts a program; `arguments` are made from its folder and the address that it shall listen on.
    fn start(program: &str, arguments: impl FnOnce(&Path, SocketAddr) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let log = folder.path().join("log");
        let output = std::fs::File::create(&log).expect("a new file");
        let child = Command::new(program)
            .args(arguments(folder.path(), address))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("an open file"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}; `cargo xtask test tools` installs it"));
        Self { child, address, log, _folder: folder }
    }

    fn ask(&self, question: &str) -> Result<String, String> {
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        Question::parse(question).ask(self.address).map_err(|error| format!("{error}\n{}", log()))
    }

    /// Waits until an answer has all of these parts.
    fn expect(&self, question: &str, parts: &[&str]) {
        eventually(question, PATIENCE, || {
            let answer = self.ask(question)?;
            if parts.iter().all(|part| answer.contains(part)) { Ok(()) } else { Err(answer) }
        });
    }
}

/// A port of the loopback address that nobody uses, over UDP and TCP. Some resolvers listen on no other address.
fn free_address() -> SocketAddr {
    let free = || {
        let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
        let address = socket.local_addr().ok()?;
        TcpListener::bind(address).ok().map(|_| address)
    };
    (0..100).find_map(|_| free()).expect("a free port")
}

/// An agent with a service that is passing, and one with many instances.
fn start_agent() -> Agent {
    let settings = "-hcl=dns_config { enable_truncate = true }";
    let agent = Agent::server(&Program::ours(), &["-node=n1", settings]);
    agent.put("/v1/catalog/register", &web("passing"));
    for number in 0..MANY {
        let instance = format!(
            r#"{{"Node":"m{number}","Address":"10.1.0.{number}","Service":{{"ID":"m","Service":"many","Port":{number}}}}}"#
        );
        agent.put("/v1/catalog/register", &instance);
    }
    agent
}

fn web(status: &str) -> String {
    format!(
        r#"{{"Node":"a1","Address":"10.0.0.1","Service":{{"ID":"w1","Service":"web","Port":80}},
            "Check":{{"CheckID":"c","Name":"c","Status":"{status}","ServiceID":"w1"}}}}"#
    )
}

/// What every resolver must make of the agent.
fn check(agent: &Agent, resolver: &Resolver) {
    resolver.expect("web.service.consul A", &["NoError", "A 10.0.0.1"]);
    resolver.expect("web.service.consul SRV", &["NoError", "SRV 1 1 80 a1.node.dc1.consul."]);
    resolver.expect("a1.node.consul A", &["NoError", "A 10.0.0.1"]);
    let absent = resolver.ask("web.service.consul AAAA").expect("an answer");
    assert!(absent.contains("NoError") && !absent.contains("answer "), "{absent}");
    resolver.expect("nobody.service.consul A", &["NXDomain"]);
    let many = resolver.ask("many.service.consul A tcp").expect("an answer");
    assert_eq!(many.matches(" A 10.1.0.").count(), MANY, "{many}");
    agent.put("/v1/catalog/register", &web("critical"));
    resolver.expect("web.service.consul A", &["NXDomain"]);
    agent.put("/v1/catalog/register", &web("passing"));
    resolver.expect("web.service.consul A", &["NoError", "A 10.0.0.1"]);
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a writable folder");
    path.display().to_string()
}

fn unbound(zone: &str) -> Resolver {
    Resolver::start("/usr/sbin/unbound", |folder, address| {
        let (ip, port, folder_text) = (address.ip(), address.port(), folder.display());
        let text = format!(
            "server:\n interface: {ip}\n port: {port}\n do-daemonize: no\n chroot: \"\"\n username: \"\"\n \
             directory: \"{folder_text}\"\n pidfile: \"\"\n use-syslog: no\n do-not-query-localhost: no\n \
             domain-insecure: \"consul\"\n module-config: \"iterator\"\n\
             remote-control:\n control-enable: no\n{zone}"
        );
        vec!["-d".to_owned(), "-c".to_owned(), write(folder, "unbound.conf", &text)]
    })
}

#[test]
fn unbound_has_the_zone_as_a_stub() {
    let agent = start_agent();
    let zone = format!("stub-zone:\n name: \"consul\"\n stub-addr: {}@8600\n", agent.address());
    check(&agent, &unbound(&zone));
}

#[test]
fn unbound_forwards_the_zone() {
    let agent = start_agent();
    let zone = format!("forward-zone:\n name: \"consul\"\n forward-addr: {}@8600\n", agent.address());
    check(&agent, &unbound(&zone));
}

#[test]
fn bind_forwards_the_zone() {
    let agent = start_agent();
    let resolver = Resolver::start("/usr/sbin/named", |folder, address| {
        let (ip, port, folder_text) = (address.ip(), address.port(), folder.display());
        let text = format!(
            "options {{ directory \"{folder_text}\"; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};\n\
             pid-file \"{folder_text}/pid\"; session-keyfile \"{folder_text}/key\"; recursion yes;\n\
             dnssec-validation no; allow-query {{ any; }}; }};\ncontrols {{ }};\n\
             zone \"consul\" {{ type forward; forward only; forwarders {{ {} port 8600; }}; }};\n",
            agent.address()
        );
        vec!["-g".to_owned(), "-c".to_owned(), write(folder, "named.conf", &text)]
    });
    check(&agent, &resolver);
}

#[test]
fn dnsmasq_forwards_the_zone() {
    let agent = start_agent();
    let resolver = Resolver::start("/usr/sbin/dnsmasq", |folder, address| {
        vec![
            "--keep-in-foreground".to_owned(),
            format!("--conf-file={}", write(folder, "dnsmasq.conf", "")),
            "--no-resolv".to_owned(),
            "--no-hosts".to_owned(),
            "--bind-interfaces".to_owned(),
            "--user=root".to_owned(),
            format!("--pid-file={}", folder.join("pid").display()),
            format!("--listen-address={}", address.ip()),
            format!("--port={}", address.port()),
            format!("--server=/consul/{}#8600", agent.address()),
        ]
    });
    check(&agent, &resolver);
}

#[test]
fn coredns_forwards_the_zone() {
    let agent = start_agent();
    let program =
        std::env::var("CONCORD_COREDNS").expect("CONCORD_COREDNS names CoreDNS; see `cargo xtask test tools`");
    let resolver = Resolver::start(&program, |folder, address| {
        let text =
            format!("consul:{} {{\n bind {}\n forward . {}:8600\n}}\n", address.port(), address.ip(), agent.address());
        vec!["-conf".to_owned(), write(folder, "Corefile", &text)]
    });
    check(&agent, &resolver);
}
