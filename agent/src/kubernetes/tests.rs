//! The question, asked of an API server that the test makes: over TLS, with a token, in several pages.

use rustls::ServerConfig;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

fn pod(phase: &str, ready: &str, ip: &str, port: Option<&str>) -> Json {
    json!({
        "metadata": {"annotations": port.map(|port| json!({ PORT_ANNOTATION: port }))},
        "spec": {"containers": [{"ports": [{"name": "gossip", "containerPort": 9301, "hostPort": 9401}]}]},
        "status": {"phase": phase, "podIP": ip, "hostIP": "192.168.0.1", "conditions": [{"type": "Ready", "status": ready}]},
    })
}

/// Answers one connection after the other and gives what was asked.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor, answers: Vec<(u16, Json)>) -> Vec<String> {
    let mut asked = Vec::new();
    for (status, body) in answers {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the request ends early");
            request.extend_from_slice(&buffer[..count]);
        }
        asked.push(String::from_utf8(request).unwrap());
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    asked
}

/// What comes of the answers, and what was asked for.
async fn outcome(pods: KubernetesPods, answers: Vec<(u16, Json)>) -> (Result<Vec<String>, String>, Vec<String>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
    let kubeconfig = folder.path().join("config");
    let file = json!({
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {
            "server": format!("https://{}", listener.local_addr().unwrap()), "certificate-authority": "ca.pem",
        }}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    });
    std::fs::write(&kubeconfig, file.to_string()).unwrap();
    let serving = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(server)), answers));
    let pods = KubernetesPods { kubeconfig: kubeconfig.display().to_string(), ..pods };
    let found = addresses(&pods).await;
    (found, serving.await.unwrap())
}

#[tokio::test]
async fn pods_that_are_ready_are_found_page_by_page() {
    let first = json!({"metadata": {"continue": "x/y"}, "items": [
        pod("Running", "True", "10.0.0.1", None),
        pod("Running", "False", "10.0.0.2", None),
        pod("Pending", "True", "10.0.0.3", None),
        pod("Running", "True", "10.0.0.4", Some("8309")),
    ]});
    let second = json!({"metadata": {}, "items": [pod("Running", "True", "fd00::5", Some("gossip"))]});
    let pods =
        KubernetesPods { label_selector: "app=a,b in (c)".to_owned(), namespace: "n".to_owned(), ..Default::default() };
    let (found, asked) = outcome(pods, vec![(200, first), (200, second)]).await;
    assert_eq!(found.unwrap(), ["10.0.0.1", "10.0.0.4:8309", "[fd00::5]:9301"]);
    let line = "GET /api/v1/namespaces/n/pods?limit=500&labelSelector=app%3Da%2Cb%20in%20%28c%29";
    assert!(asked[0].starts_with(&format!("{line} HTTP/1.1\r\n")), "{}", asked[0]);
    assert!(asked[0].contains("authorization: Bearer secret\r\n"), "{}", asked[0]);
    assert!(asked[1].starts_with(&format!("{line}&continue=x%2Fy HTTP/1.1\r\n")), "{}", asked[1]);
}

#[tokio::test]
async fn hosts_are_joined_where_pods_use_their_network() {
    let list = json!({"items": [pod("Running", "True", "10.0.0.1", Some("gossip"))]});
    let (found, asked) = outcome(KubernetesPods { host_network: true, ..Default::default() }, vec![(200, list)]).await;
    assert_eq!(found.unwrap(), ["192.168.0.1:9401"]);
    assert!(asked[0].starts_with("GET /api/v1/pods?limit=500 HTTP/1.1"), "{}", asked[0]);
}

#[tokio::test]
async fn a_refusal_says_what_is_missing() {
    let body = json!({"message": "pods is forbidden"});
    let (found, _) = outcome(KubernetesPods::default(), vec![(403, body)]).await;
    let text = found.unwrap_err();
    assert!(text.contains("pods is forbidden; the account needs a role that may list pods"), "{text}");
}

#[tokio::test]
async fn a_kubeconfig_must_be_json() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "apiVersion: v1").unwrap();
    let pods = KubernetesPods { kubeconfig: file.path().display().to_string(), ..Default::default() };
    assert!(addresses(&pods).await.unwrap_err().contains("kubectl config view --raw -o json"));
}
