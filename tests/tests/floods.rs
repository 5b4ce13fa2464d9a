//! Too much of everything, with a real process: thousands of idle and half-said connections, and records of TLS that mean
//! nothing. The agent's memory stays bounded and everybody else is answered.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tests::pki::Authority;
use tests::{Agent, Program, dns, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that take TCP.
const PORTS: [u16; 5] = [8300, 8301, 8500, 8501, 8600];

fn server() -> (Agent, Authority, tempfile::TempDir) {
    let authority = Authority::new("flooded");
    authority.issue("server", &["localhost"], 2090);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("tls.hcl");
    let text = format!("{}ports {{ https = 8501 }}\nlog_level = \"warn\"\n", authority.config("server"));
    std::fs::write(&config, text).expect("written");
    let agent = Agent::server(&Program::ours(), &["-node=n1", &format!("-config-file={}", config.display())]);
    (agent, authority, folder)
}

/// Memory of a process, in MB.
fn resident(agent: &Agent) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", agent.pid())).expect("it runs");
    let pages: u64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096 / 1_000_000
}

/// HTTP, RPC behind it, and DNS over TCP answer somebody new.
fn everybody_else_is_answered(agent: &Agent) {
    eventually("an answer over HTTP", PATIENCE, || {
        let answer = agent.request("GET", "/v1/catalog/nodes?consistent", b"")?;
        if answer.text().contains("n1") { Ok(()) } else { Err(answer.text()) }
    });
    eventually("an answer over DNS and TCP", PATIENCE, || {
        let packet = dns::Question::parse("n1.node.consul A").packet(7);
        let mut stream = TcpStream::connect(agent.address().port(8600)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(|error| error.to_string())?;
        let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
        stream.write_all(&[&length[..], &packet].concat()).map_err(|error| error.to_string())?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
        if answer[2..] == [0, 7] { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    eventually("an answer over RPC", PATIENCE, || {
        let mut stream = TcpStream::connect(agent.address().port(8300)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(|error| error.to_string())?;
        stream.write_all(&[&[0xC0, 1, 0, 0][..], &[0; 16]].concat()).map_err(|error| error.to_string())?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
        if answer == [0xC0, 0, 0, 0] { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}

/// Connects from an address of its own, so that many clients can be played.
fn connect_from(client: IpAddr, server: SocketAddr) -> Option<TcpStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    use std::os::fd::AsRawFd as _;
    let (IpAddr::V4(client), SocketAddr::V4(server)) = (client, server) else { return None };
    let made = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).ok()?;
    bind(made.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(client, 0))).ok()?;
    connect(made.as_raw_fd(), &SockaddrIn::from(server)).ok()?;
    Some(TcpStream::from(made))
}

/// What an idle client has said before it fell silent.
fn half(port: u16, number: usize) -> &'static [u8] {
    let said: [&[u8]; 3] = match port {
        8500 => [b"", b"GET / HTTP/1.1\r\nX: ", b"PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 500000\r\n\r\nx"],
        8600 => [b"", b"\0", b"\xff\xff\0\x01"],
        8300 => [b"", b"\xc0\x01", b"\x16\x03\x01\x40\0\x01"],
        _ => [b"", b"\x16\x03\x01\x40\0\x01", b"\x16"],
    };
    said[number % said.len()]
}

#[test]
fn ten_thousand_idle_connections_leave_the_agent_well() {
    let (agent, _authority, _folder) = server();
    everybody_else_is_answered(&agent);
    let before = resident(&agent);
    let mut open = Vec::new();
    // Clients, connections of each: each stays below its own limit, all together are 10,000.
    for (port, clients, each) in [(8500, 24, 200), (8501, 10, 200), (8300, 24, 100), (8600, 8, 100)] {
        for client in 0..clients {
            let ip = IpAddr::V4(Ipv4Addr::new(127, 77, (port % 251) as u8, client + 1));
            for number in 0..each {
                if let Some(mut stream) = connect_from(ip, agent.address().port(port)) {
                    // One that is turned away may be closed already.
                    let _ = stream.write_all(half(port, number));
                    open.push(stream);
                }
            }
        }
    }
    assert!(open.len() >= 9_990, "only {} connections", open.len());
    everybody_else_is_answered(&agent);
    let grown = resident(&agent).saturating_sub(before);
    assert!(grown < 400, "{grown} MB for {} connections", open.len());
    println!("{} connections cost {grown} MB over {before} MB", open.len());
    drop(open);
    everybody_else_is_answered(&agent);
}

#[test]
fn one_client_cannot_take_all_connections() {
    let (agent, _authority, _folder) = server();
    for (port, max) in [(8500, 200), (8300, 100), (8600, 128)] {
        let client = IpAddr::V4(Ipv4Addr::new(127, 78, 1, 1));
        let open: Vec<TcpStream> =
            (0..max + 50).filter_map(|_| connect_from(client, agent.address().port(port))).collect();
        eventually("the ones too many are closed", PATIENCE, || {
            let closed = open.iter().filter(|stream| is_closed(stream)).count();
            if closed >= 50 { Ok(()) } else { Err(format!("{closed} of {} on {port}", open.len())) }
        });
        everybody_else_is_answered(&agent);
    }
    let log = agent.log();
    assert!(log.contains("too many connections"), "{log}");
}

/// Whether the other side has said something or closed: idle connections that are kept get nothing.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let mut bytes = [0; 512];
    stream.read(&mut bytes).is_ok() || stream.take_error().is_ok_and(|error| error.is_some())
}

#[test]
fn records_of_tls_that_mean_nothing_do_no_harm_on_any_port() {
    const SEED: u64 = 41;
    let (agent, _authority, _folder) = server();
    everybody_else_is_answered(&agent);
    let before = resident(&agent);
    let mut random = SmallRng::seed_from_u64(SEED);
    let began = Instant::now();
    for round in 0..200 {
        for port in PORTS {
            let mut stream = TcpStream::connect(agent.address().port(port)).expect("it listens");
            for record in garbage(&mut random) {
                // It is closed at the first that is not understood.
                if stream.write_all(&record).is_err() {
                    break;
                }
            }
            // The last stay to be closed by the agent, the others hang up at once.
            if round == 199 && port != 8500 {
                stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
    }
    println!("seed {SEED}: {} records in {:?}", 200 * PORTS.len(), began.elapsed());
    everybody_else_is_answered(&agent);
    let grown = resident(&agent).saturating_sub(before);
    assert!(grown < 200, "{grown} MB");
    let log = agent.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Records that begin like TLS: any type, version, claimed length and contents, some cut, some with a plausible hello.
fn garbage(random: &mut SmallRng) -> Vec<Vec<u8>> {
    (0..random.random_range(1..4))
        .map(|_| {
            let kind = *[0x16, 0x16, 0x16, 0x14, 0x15, 0x17, 0x18, 0x80].get(random.random_range(0..8)).expect("in it");
            let claimed: u16 = [0, 1, 4, 512, 16_384, 16_385, 0xFFFF][random.random_range(0..7)];
            let mut record = vec![kind, 3, random.random_range(0..5)];
            record.extend(claimed.to_be_bytes());
            let real = usize::from(claimed).min(random.random_range(0..2000));
            let mut contents: Vec<u8> = (0..real).map(|_| random.random()).collect();
            // A hello whose own length lies.
            for (at, byte) in [1, random.random(), 0xFF, 0xFF, 3, 3].into_iter().enumerate() {
                if let Some(place) = contents.get_mut(at).filter(|_| kind == 0x16) {
                    *place = byte;
                }
            }
            record.extend(contents);
            record
        })
        .collect()
}
