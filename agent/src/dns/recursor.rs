//! Names outside the zone: the request is passed on to upstream servers, the first useful answer is passed back.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::Transport;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::kept::Kept;
use super::tcp::read_message;

const RCODE_SERVER_FAILURE: u8 = 2;
const RCODE_REFUSED: u8 = 5;
const HEADER_BYTES: usize = 12;
/// Largest answer over UDP that is read, bytes.
const ANSWER_BYTES_MAX: usize = 65_535;

/// Upstream servers in order of preference.
#[derive(Clone, Debug)]
pub struct Recursors {
    servers: Vec<SocketAddr>,
    wait: Duration,
    kept: Arc<Kept>,
}

impl Recursors {
    /// Servers, each of which may take `wait` for an answer.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, wait: Duration) -> Self {
        Self { servers, wait, kept: Arc::default() }
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The answer to a request, from what is kept or from the first server that has one; `None` when nobody has.
    pub async fn ask(&self, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        self.kept.answer(packet, transport, Instant::now(), || self.ask_servers(packet, transport)).await
    }

    /// Asks one server after the other. A failure or refusal counts as no answer.
    async fn ask_servers(&self, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        for server in &self.servers {
            // The identity towards the server is our own, so that nobody who sees the client's can forge an answer.
            let mut request = packet.to_vec();
            let id: u16 = rand::random();
            request.get_mut(..2)?.copy_from_slice(&id.to_be_bytes());
            let asked = async {
                match transport {
                    Transport::Udp => ask_udp(*server, &request).await,
                    Transport::Tcp => ask_tcp(*server, &request).await,
                }
            };
            match timeout(self.wait, asked).await {
                Ok(Ok(mut answer)) if is_final(&answer) => {
                    answer[..2].copy_from_slice(&packet[..2]);
                    answer[3] |= 0x80;
                    return Some(answer);
                }
                Ok(Ok(_)) => debug!("recursor {server} did not resolve a name"),
                Ok(Err(error)) => debug!("recursor {server} failed: {error}"),
                Err(_) => debug!("recursor {server} did not answer within {:?}", self.wait),
            }
        }
        None
    }
}

async fn ask_udp(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(request).await?;
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        if belongs(&answer[..length], request) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn ask_tcp(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), request].concat()).await?;
    let answer = read_message(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if belongs(&answer, request) { Ok(answer) } else { Err(io::Error::other("the answer is to something else")) }
}

/// Whether a message answers the request: same identity, an answer, and the same question.
fn belongs(answer: &[u8], request: &[u8]) -> bool {
    let is_answer = answer.len() >= HEADER_BYTES && answer[2] & 0x80 != 0 && answer[..2] == request[..2];
    is_answer && question(answer).is_none_or(|asked| Some(asked.to_ascii_lowercase()) == lower_question(request))
}

fn lower_question(request: &[u8]) -> Option<Vec<u8>> {
    question(request).map(<[u8]>::to_ascii_lowercase)
}

/// The bytes of the first question: name, type and class. Names in questions have no pointers.
fn question(message: &[u8]) -> Option<&[u8]> {
    if message.get(4..6)? == [0, 0] {
        return None;
    }
    let mut at = HEADER_BYTES;
    while *message.get(at)? != 0 {
        at += 1 + usize::from(message[at]);
    }
    message.get(HEADER_BYTES..at + 5)
}

fn is_final(answer: &[u8]) -> bool {
    answer.get(3).is_some_and(|flags| ![RCODE_SERVER_FAILURE, RCODE_REFUSED].contains(&(flags & 0x0f)))
}
