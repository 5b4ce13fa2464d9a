//! Both ends of the server port: who speaks what, who is refused, and what either is told about it.

use config::{Tls, TlsProtocol};
use tokio::net::TcpListener;

use super::super::Role;
use super::super::test_pki::Authority;
use super::*;

fn agent(is_server: bool, internal_rpc: TlsProtocol, verify_server_hostname: bool) -> Arc<AgentTls> {
    let role = Role { is_server, datacenter: "dc1".to_owned(), domain: "consul".to_owned() };
    let settings = Tls { internal_rpc, verify_server_hostname, ..Tls::default() };
    AgentTls::load(role, &settings).expect("usable files")
}

fn server(authority: &Authority, shown: &str) -> Arc<AgentTls> {
    agent(true, authority.settings(Some(shown)), false)
}

fn strict_server(authority: &Authority, shown: &str) -> Arc<AgentTls> {
    agent(true, TlsProtocol { verify_incoming: true, ..authority.settings(Some(shown)) }, true)
}

/// What happened on the two ends: whether it was TLS, or why it failed.
#[derive(Debug)]
struct Met {
    caller: Result<u8, String>,
    called: Result<Caller, String>,
}

/// One connection. The caller sends the first byte that an RPC connection has, and wants it back.
async fn meet(called: &Arc<AgentTls>, caller: &Arc<AgentTls>) -> Met {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("bound");
    let (takes_tls, called) = (called.serves_rpc(), Arc::clone(called));
    let serving = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.expect("a caller");
        let (mut wire, caller) = called.accept_rpc(stream, peer).await?;
        let byte = wire.reader.read_u8().await.map_err(|error| reason(&error))?;
        wire.writer.write_u8(byte).await.map_err(|error| reason(&error))?;
        wire.writer.flush().await.map_err(|error| reason(&error))?;
        Ok(caller)
    });
    let calling = async {
        let dial = caller.dial(takes_tls)?;
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        let mut wire = dial.wrap(stream).await?;
        wire.writer.write_u8(0xC0).await.map_err(|error| reason(&error))?;
        wire.writer.flush().await.map_err(|error| reason(&error))?;
        wire.reader.read_u8().await.map_err(|error| reason(&error))
    };
    let caller = calling.await;
    Met { caller, called: serving.await.expect("no panic") }
}

fn assert_failed(met: Met, caller: &str, called: &str) {
    let (told_caller, told_called) = (met.caller.expect_err("no connection"), met.called.expect_err("no connection"));
    assert!(told_caller.contains(caller), "the caller was told {told_caller:?}");
    assert!(told_called.contains(called), "the called side was told {told_called:?}");
}

#[tokio::test]
async fn agents_with_and_without_tls_work_together_until_somebody_minds() {
    let authority = Authority::new("the authority");
    authority.issue("one", "server.dc1.consul", 2090);
    let (with, without) = (server(&authority, "one"), AgentTls::off());
    for called in [&with, &without] {
        for caller in [&with, &without] {
            assert_eq!(meet(called, caller).await.caller, Ok(0xC0));
        }
    }
    let minds = agent(false, TlsProtocol { verify_outgoing: true, ..authority.settings(None) }, false);
    assert_eq!(meet(&with, &minds).await.caller, Ok(0xC0), "an authority is enough for a caller");
    assert_failed(
        meet(&without, &minds).await,
        "it has no certificate to speak TLS with",
        "this server has no cert_file",
    );
    let met = meet(&strict_server(&authority, "one"), &without).await;
    assert_eq!(met.caller, Ok(0xC0), "the first byte of an answer");
    assert_eq!(met.called.expect_err("plain text"), "Non-TLS connection attempted with VerifyIncoming set");
}

#[tokio::test]
async fn both_ends_are_told_what_is_wrong_with_a_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for authority in [&ours, &theirs] {
        authority.issue("good", "server.dc1.consul", 2090);
    }
    ours.issue("old", "server.dc1.consul", 2021);
    ours.issue("other", "server.dc2.consul", 2090);
    let called = strict_server(&ours, "good");
    let caller = |authority: &Authority, shown| {
        let shown = TlsProtocol { verify_outgoing: true, ..authority.settings(shown) };
        agent(true, TlsProtocol { ca_file: Some(ours.path("ca.pem")), ..shown }, true)
    };
    assert_eq!(meet(&called, &caller(&ours, Some("good"))).await.caller, Ok(0xC0));
    assert_failed(
        meet(&called, &caller(&ours, Some("old"))).await,
        "the certificate of this agent has expired",
        "its certificate has expired",
    );
    assert_failed(
        meet(&called, &caller(&theirs, Some("good"))).await,
        "it does not know the authority of this agent's certificate",
        "an authority that is not in ca_file",
    );
    assert_failed(meet(&called, &caller(&ours, None)).await, "it wants a certificate", "it showed no certificate");
    let good = caller(&ours, Some("good"));
    assert_failed(meet(&server(&ours, "old"), &good).await, "its certificate has expired", "has expired");
    assert_failed(
        meet(&server(&theirs, "good"), &good).await,
        "signed by an authority that is not in ca_file",
        "it does not know the authority",
    );
    assert_failed(
        meet(&server(&ours, "other"), &good).await,
        "not for \"server.dc1.consul\"",
        "refuses the certificate",
    );
    let careless = agent(true, ours.settings(Some("good")), false);
    assert_eq!(meet(&server(&ours, "other"), &careless).await.caller, Ok(0xC0), "names matter only when asked for");
}

#[tokio::test]
async fn a_client_with_a_certificate_of_the_same_authority_is_not_a_server() {
    let authority = Authority::new("the authority");
    authority.issue("server", "server.dc1.consul", 2090);
    authority.issue("client", "client.dc1.consul", 2090);
    let called = strict_server(&authority, "server");
    let as_server = meet(&called, &server(&authority, "server")).await.called.expect("it may connect");
    assert_eq!(called.check_server(&as_server), Ok(()));
    let as_client = meet(&called, &server(&authority, "client")).await.called.expect("it may connect");
    let error = called.check_server(&as_client).expect_err("it is no server");
    assert!(error.contains("server.dc1.consul"), "{error}");
    let lax = agent(true, TlsProtocol { verify_incoming: true, ..authority.settings(Some("server")) }, false);
    assert_eq!(lax.check_server(&as_client), Ok(()), "as in Consul, only with verify_server_hostname");
    let nobody = Caller { certificate: None };
    assert!(called.check_server(&nobody).is_err());
}

#[tokio::test]
async fn one_self_signed_certificate_serves_as_authority_and_as_certificate() {
    let authority = Authority::new("all in one");
    let both = TlsProtocol { verify_incoming: true, verify_outgoing: true, ..authority.settings(Some("ca")) };
    let one = agent(true, both, true);
    let met = meet(&one, &one).await;
    assert_eq!(met.caller, Ok(0xC0));
    assert_eq!(one.check_server(&met.called.expect("connected")), Ok(()));
    let stranger = Authority::new("another");
    let stranger =
        agent(true, TlsProtocol { ca_file: Some(authority.path("ca.pem")), ..stranger.settings(Some("ca")) }, false);
    let met = meet(&one, &stranger).await;
    met.caller.expect_err("whoever calls itself an authority");
    met.called.expect_err("is none because of that");
}

#[tokio::test]
async fn with_verify_outgoing_nothing_goes_out_in_plain_text() {
    let authority = Authority::new("the authority");
    for settings in [
        Tls { internal_rpc: TlsProtocol { verify_outgoing: true, ..authority.settings(None) }, ..Tls::default() },
        Tls { internal_rpc: TlsProtocol { verify_outgoing: true, ..TlsProtocol::default() }, ..Tls::default() },
    ] {
        let caller =
            AgentTls::load(Role { datacenter: "dc1".into(), domain: "consul".into(), ..Role::default() }, &settings);
        let caller = caller.expect("usable");
        for takes_tls in [false, true] {
            assert!(!matches!(caller.dial(takes_tls), Ok(Dial::Plain)), "{settings:?} {takes_tls}");
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("bound");
    let caller = agent(false, TlsProtocol { verify_outgoing: true, ..authority.settings(None) }, false);
    let dialled = tokio::spawn(async move {
        let dial = caller.dial(false).expect("there is an authority");
        dial.wrap(TcpStream::connect(address).await.expect("somebody listens")).await.map(drop)
    });
    let (mut stream, _) = listener.accept().await.expect("a caller");
    assert_eq!(stream.read_u8().await.expect("the first byte"), TLS_BYTE);
    stream.write_all(b"this is not TLS at all").await.expect("sent");
    let error = dialled.await.expect("no panic").expect_err("no handshake");
    assert!(error.contains("not TLS"), "{error}");
}
