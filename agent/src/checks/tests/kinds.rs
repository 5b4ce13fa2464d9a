//! The kinds of checks that need another side that speaks: TLS, UDP, gRPC, HTTP/2, Docker, the service manager, other
//! nodes. The other sides are small real ones on loopback.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use ::http::{HeaderMap, Request, Response as HttpResponse};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::{HealthCheck, Node};
use server::request::{Action, Answer, Body, ErrorKind, Query, ReadMeta, RequestError, Response};
use tokio::net::{UdpSocket, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::super::{docker, grpc, h2ping, os_service, udp};
use super::*;
use crate::local::{Ask, GrpcProbe, H2Probe, StandaloneCheckSpec, TlsChoice};

/// A certificate for `localhost`, and what trusts it.
fn identity(folder: &std::path::Path) -> (TlsAcceptor, CheckTls) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = rustls::ServerConfig::builder_with_provider(client::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a matching key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).expect("written");
    let trusting = CheckTls::new(TlsSettings { ca_file: Some(ca), ..TlsSettings::default() });
    (TlsAcceptor::from(Arc::new(config)), trusting)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

#[tokio::test]
async fn https_verifies_unless_told_otherwise() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (acceptor, trusting) = identity(folder.path());
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsecret").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    let by_name = format!("https://localhost:{}/", address.port());
    let by_address = format!("https://{address}/");
    let run = async |url: &str, choice: TlsChoice, tls: &CheckTls| {
        http::run(&HttpProbe { tls: choice, ..probe_of(url) }, tls, TIMEOUT, 100).await
    };
    let outcome = run(&by_name, TlsChoice::default(), &trusting).await;
    assert_eq!(outcome.output, format!("HTTP GET {by_name}: 200 OK Output: secret"));
    // The address is not in the certificate, but the name that is asked for is.
    let outcome = run(&by_address, TlsChoice::default(), &trusting).await;
    assert!(outcome.output.contains("x509: the certificate is refused"), "{}", outcome.output);
    let named = TlsChoice { server_name: "localhost".to_owned(), skip_verify: false };
    assert_eq!(run(&by_address, named, &trusting).await.status, Status::Passing);
    // Nobody else trusts it, except those who do not look.
    let outcome = run(&by_name, TlsChoice::default(), &tls()).await;
    assert_eq!(outcome.status, Status::Critical, "{}", outcome.output);
    let skipping = TlsChoice { skip_verify: true, ..TlsChoice::default() };
    assert_eq!(run(&by_name, skipping, &tls()).await.status, Status::Passing);
}

#[tokio::test]
async fn udp_passes_unless_refused() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = silent.local_addr().expect("bound").to_string();
    let passing = Outcome { status: Status::Passing, output: format!("UDP connect {address}: Success") };
    assert_eq!(udp::run(&address).await, passing);
    drop(silent);
    let refused = Outcome { status: Status::Critical, output: format!("udp {address}: connection refused") };
    assert_eq!(udp::run(&address).await, refused);
    assert_eq!(udp::run("nohost").await.output, "dial udp: address nohost: missing port in address");
}

/// How the gRPC server below answers.
#[derive(Clone, Copy)]
enum Health {
    /// This state.
    State(u8),
    /// This code, with a message that needs escaping.
    Code(&'static str),
}

/// A gRPC health server of one service, `web`.
async fn grpc_server(health: Health, acceptor: Option<TlsAcceptor>) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        tokio::spawn(answer_grpc(stream, health));
                    }
                }
                None => drop(tokio::spawn(answer_grpc(stream, health))),
            }
        }
    });
    address
}

async fn answer_grpc(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, health: Health) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        let headers = HttpResponse::builder().header("content-type", "application/grpc");
        let mut trailers = HeaderMap::new();
        match health {
            Health::State(state) => {
                let response = headers.body(()).expect("valid headers");
                let Ok(mut body) = respond.send_response(response, false) else { return };
                let _ = body.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, state]), false);
                trailers.insert("grpc-status", "0".parse().expect("a header value"));
                let _ = body.send_trailers(trailers);
            }
            Health::Code(code) => {
                let response = headers.header("grpc-status", code).header("grpc-message", "unknown%20service").body(());
                let _ = respond.send_response(response.expect("valid headers"), true);
            }
        }
    }
}

#[tokio::test]
async fn grpc_passes_only_when_serving() {
    let ask = async |health| {
        let target = format!("{}/web", grpc_server(health, None).await);
        let outcome = grpc::run(&GrpcProbe { target: target.clone(), tls: None }, &tls()).await;
        (outcome.status, outcome.output.replace(&target, "TARGET"))
    };
    assert_eq!(ask(Health::State(1)).await, (Status::Passing, "gRPC check TARGET: success".to_owned()));
    let not_serving = (Status::Critical, "gRPC TARGET serving status: NOT_SERVING".to_owned());
    assert_eq!(ask(Health::State(2)).await, not_serving);
    let refused = "rpc error: code = NotFound desc = unknown service".to_owned();
    assert_eq!(ask(Health::Code("5")).await, (Status::Critical, refused));
    let probe = GrpcProbe { target: "nohost".to_owned(), tls: None };
    let text = "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing dial tcp: \
                address nohost: missing port in address\"";
    assert_eq!(grpc::run(&probe, &tls()).await.output, text);
}

#[tokio::test]
async fn grpc_and_pings_go_over_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (acceptor, trusting) = identity(folder.path());
    let address = grpc_server(Health::State(1), Some(acceptor)).await;
    let local = format!("localhost:{}", address.port());
    let over_tls = Some(TlsChoice::default());
    let probe = GrpcProbe { target: local.clone(), tls: over_tls.clone() };
    assert_eq!(grpc::run(&probe, &trusting).await.status, Status::Passing);
    assert_eq!(grpc::run(&probe, &tls()).await.status, Status::Critical);
    let ping = H2Probe { address: local, tls: over_tls };
    assert_eq!(h2ping::run(&ping, &trusting).await.output, "HTTP2 ping was successful");
    assert_eq!(h2ping::run(&H2Probe { tls: None, ..ping }, &trusting).await.status, Status::Critical);
}

#[tokio::test]
async fn pings_are_answered_by_http2_alone() {
    let address = grpc_server(Health::State(1), None).await.to_string();
    let outcome = h2ping::run(&H2Probe { address, tls: None }, &tls()).await;
    assert_eq!(outcome, Outcome { status: Status::Passing, output: "HTTP2 ping was successful".to_owned() });
    let address = server(&["HTTP/1.1 200 OK\r\n\r\n"]).await;
    assert_eq!(h2ping::run(&H2Probe { address, tls: None }, &tls()).await.status, Status::Critical);
}

/// A daemon that knows one container; its program prints the arguments and ends with the number in the last one.
async fn daemon(request: Request<Incoming>, args: Arc<Mutex<Vec<String>>>) -> HttpResponse<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.expect("a whole body").to_bytes();
    let args = || args.lock().expect("no test panics while it holds this");
    let (status, answer) = match path.as_str() {
        "/containers/web/exec" => {
            let command: model::Json = serde_json::from_slice(&body).expect("JSON");
            *args() = serde_json::from_value(command["Cmd"].clone()).expect("a command");
            (201, br#"{"Id":"e1"}"#.to_vec())
        }
        "/exec/e1/start" => {
            let text = args().join(" ");
            let mut piece = vec![1, 0, 0, 0, 0, 0, 0, text.len() as u8];
            piece.extend_from_slice(text.as_bytes());
            (200, piece)
        }
        "/exec/e1/json" => {
            let code = args().last().and_then(|last| last.parse::<i32>().ok()).unwrap_or_default();
            (200, format!(r#"{{"Running":false,"ExitCode":{code}}}"#).into_bytes())
        }
        _ => (404, br#"{"message":"No such container"}"#.to_vec()),
    };
    HttpResponse::builder().status(status).body(Full::new(Bytes::from(answer))).expect("a valid answer")
}

#[tokio::test]
async fn docker_runs_the_program_in_the_container() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let args = Arc::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let args = Arc::clone(&args);
            let service = service_fn(move |request| {
                let args = Arc::clone(&args);
                async move { Ok::<_, std::convert::Infallible>(daemon(request, args).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let host = format!("unix://{}", path.display());
    let run = async |container: &str, args: &[&str]| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        docker::run(&host, container, &args, 100).await
    };
    assert_eq!(run("web", &["say", "0"]).await, Outcome { status: Status::Passing, output: "say 0".to_owned() });
    assert_eq!(run("web", &["say", "1"]).await.status, Status::Warning);
    assert_eq!(run("web", &["say", "7"]).await.status, Status::Critical);
    let text = r#"create exec failed for container db: status code 404: {"message":"No such container"}"#;
    assert_eq!(run("db", &["x"]).await, Outcome { status: Status::Critical, output: text.to_owned() });
    let gone = docker::run("unix:///nonexistent.sock", "web", &[], 100).await;
    let reason = "dial unix /nonexistent.sock: connect: no such file or directory";
    assert_eq!(gone.output, format!("create exec failed for container web: {reason}"));
}

#[tokio::test]
async fn the_service_manager_is_asked_for_the_state() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("systemctl");
    let script = "#!/bin/sh\n[ \"$1 $2\" = 'is-active --' ] || exit 9\necho \"$3\"\n[ \"$3\" = active ] || exit 3\n";
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("made a program");
    let program = program.display().to_string();
    for (state, status) in [
        ("active", Status::Passing),
        ("activating", Status::Warning),
        ("inactive", Status::Critical),
        ("failed", Status::Critical),
        ("--help", Status::Critical),
    ] {
        let outcome = os_service::run(&program, state, TIMEOUT).await;
        assert_eq!(outcome, Outcome { status, output: format!("OS service {state}: {state}") });
    }
    let missing = os_service::run("/no/systemctl", "web", TIMEOUT).await;
    assert_eq!(missing.output, "OS service web: fork/exec /no/systemctl: no such file or directory");
}

/// The checks of node `other`, and the index that they are at.
type Remote = tokio::sync::watch::Sender<(u64, Vec<Arc<HealthCheck>>)>;

/// Answers blocking queries for the checks of another node.
fn servers(remote: &Arc<Remote>) -> Ask {
    let remote = Arc::clone(remote);
    Arc::new(move |request| {
        let mut state = remote.subscribe();
        Box::pin(async move {
            let Action::Read(options, query) = request.action else {
                return Err(RequestError::new(ErrorKind::BadRequest, "not asked by an alias"));
            };
            let answer = match query {
                Query::NodeChecks { node } => {
                    assert_eq!(&*node, "other");
                    let found = state.wait_for(|(index, _)| *index > options.min_index).await.expect("lives");
                    return Ok(Response::Read(
                        ReadMeta { index: found.0, ..ReadMeta::default() },
                        Body::Rows(Answer::Checks(found.1.clone())),
                    ));
                }
                _ => Answer::NodeServices(None),
            };
            Ok(Response::Read(ReadMeta::default(), Body::Rows(answer)))
        })
    })
}

#[tokio::test]
async fn an_alias_follows_a_service_of_another_node() {
    let check = |status: &str| {
        let (check_id, service_id) = ("c".into(), "db".into());
        let status = status.to_owned();
        vec![Arc::new(HealthCheck { check_id, name: "db up".into(), service_id, status, ..HealthCheck::default() })]
    };
    let remote: Arc<Remote> = Arc::new(Remote::new((1, Vec::new())));
    let settings = Settings { node: Node { node: "n1".into(), ..Node::default() }, ..Settings::default() };
    let local = LocalAgent::open(settings, None, &[], &[], Some(servers(&remote))).await.expect("opens");
    let spec = r#"{"Name":"far","AliasNode":"other","AliasService":"db"}"#;
    let check_spec = serde_json::from_str(spec).expect("a test's own JSON");
    let spec = StandaloneCheckSpec { check: check_spec, ..StandaloneCheckSpec::default() };
    local.register_check(&spec, Source::Remote).await.expect("registered");
    let mut changes = local.watch();
    let mut shows = async |output: &str| {
        let reached = async {
            while local.with_registry(|registry| registry.checks()["far"].check.output != output) {
                changes.changed().await.expect("the agent lives");
            }
        };
        tokio::time::timeout(TIMEOUT, reached).await.unwrap_or_else(|_| panic!("it never showed {output:?}"));
    };
    shows("Service db could not be found on node other").await;
    remote.send_replace((2, check("passing")));
    shows("All checks passing.").await;
    remote.send_replace((3, check("critical")));
    shows("Aliased check \"db up\" failing: ").await;
}

#[tokio::test]
async fn checks_behind_a_proxy_that_exposes_them_go_through_it() {
    let proxy = server(&["HTTP/1.1 200 OK\r\n\r\nthrough the proxy"]).await;
    let port: u16 = proxy.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let settings = Settings { expose_ports: port..=port, check_update_interval: Duration::ZERO, ..Settings::default() };
    let local = LocalAgent::open(settings, None, &[], &[], None).await.expect("opens");
    let register = async |json: &str| {
        let spec: ServiceSpec = serde_json::from_str(json).expect("a test's own JSON");
        local.register_service(&spec, Source::Remote, false).await.expect("registered");
    };
    register(r#"{"Name":"web","Port":1,"Check":{"HTTP":"http://127.0.0.1:1/up","Interval":"1s"}}"#).await;
    register(
        r#"{"Name":"proxy","Kind":"connect-proxy","Port":2,"Address":"127.0.0.1",
        "Proxy":{"DestinationServiceName":"web","DestinationServiceID":"web","Expose":{"Checks":true}}}"#,
    )
    .await;
    let mut changes = local.watch();
    let mut until = async |wanted: &str| {
        let told = async {
            while !local.with_registry(|registry| registry.checks()["service:web"].check.output.contains(wanted)) {
                changes.changed().await.expect("the agent lives");
            }
        };
        tokio::time::timeout(TIMEOUT, told).await.unwrap_or_else(|_| panic!("never {wanted}"));
    };
    until(&format!("HTTP GET http://{proxy}/up: 200 OK Output: through the proxy")).await;
    local.deregister_service(&"proxy".into()).await.expect("removed");
    until("127.0.0.1:1").await;
}
