//! Asks the API of Kubernetes which pods to join (`retry_join = ["provider=k8s ..."]`): one list of pods over HTTPS, with
//! the account of the pod that this agent runs in, or a kubeconfig in JSON. It changes nothing there and follows nothing.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use client::tls::provider;
use config::KubernetesPods;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use model::Json;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest that one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pods in one answer.
const PAGE: usize = 500;
/// Answers that are read for one question.
const PAGES_MAX: usize = 20;
/// Largest answer, bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Where a pod finds its account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Says on a pod which port to join: a number, or the name of a port.
const PORT_ANNOTATION: &str = "consul.hashicorp.com/auto-join-port";

/// Where the API is and who asks.
struct Api {
    server: Uri,
    authorities: Vec<u8>,
    token: String,
    /// Certificate and key in PEM.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// The addresses of the pods that run and are ready, with a port where the pod names one.
///
/// # Errors
/// When the API cannot be asked or refuses; the text says why and what to look at.
pub async fn addresses(pods: &KubernetesPods) -> Result<Vec<String>, String> {
    let api = if pods.kubeconfig.is_empty() { in_cluster()? } else { of_file(Path::new(&pods.kubeconfig))? };
    let (mut found, mut more) = (Vec::new(), String::new());
    for _ in 0..PAGES_MAX {
        let path = path(pods, &more);
        let answer = tokio::time::timeout(TIMEOUT, ask(&api, &path)).await;
        let list = answer.map_err(|_| format!("the Kubernetes API at {} did not answer in time", api.server))??;
        found.extend(list["items"].as_array().into_iter().flatten().filter_map(|pod| address(pod, pods.host_network)));
        list["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut more);
        if more.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn path(pods: &KubernetesPods, more: &str) -> String {
    let folder = match pods.namespace.as_str() {
        "" => "/api/v1/pods".to_owned(),
        namespace => format!("/api/v1/namespaces/{}/pods", encoded(namespace)),
    };
    let mut path = format!("{folder}?limit={PAGE}");
    for (key, value) in
        [("labelSelector", pods.label_selector.as_str()), ("fieldSelector", &pods.field_selector), ("continue", more)]
    {
        if !value.is_empty() {
            path = format!("{path}&{key}={}", encoded(value));
        }
    }
    path
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `ip` or `ip:port` of a pod that runs and is ready.
fn address(pod: &Json, host_network: bool) -> Option<String> {
    let status = &pod["status"];
    let is_ready = |condition: &Json| condition["type"] == "Ready" && condition["status"] == "True";
    if status["phase"] != "Running" || !status["conditions"].as_array()?.iter().any(is_ready) {
        return None;
    }
    let ip: IpAddr = status[if host_network { "hostIP" } else { "podIP" }].as_str()?.parse().ok()?;
    let Some(wanted) = pod["metadata"]["annotations"][PORT_ANNOTATION].as_str() else { return Some(ip.to_string()) };
    let port = wanted.parse::<u16>().ok().or_else(|| named_port(pod, wanted, host_network))?;
    Some(std::net::SocketAddr::new(ip, port).to_string())
}

fn named_port(pod: &Json, wanted: &str, host_network: bool) -> Option<u16> {
    let containers = pod["spec"]["containers"].as_array()?;
    let port = containers
        .iter()
        .filter_map(|found| found["ports"].as_array())
        .flatten()
        .find(|port| port["name"] == wanted)?;
    u16::try_from(port[if host_network { "hostPort" } else { "containerPort" }].as_u64()?).ok()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The account of the pod that this agent runs in.
fn in_cluster() -> Result<Api, String> {
    let setting = |name: &str| {
        std::env::var(name).map_err(|_| {
            format!("{name} is not set: this agent runs in no pod; give kubeconfig=FILE (JSON) beside provider=k8s")
        })
    };
    let (host, port) = (setting("KUBERNETES_SERVICE_HOST")?, setting("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let account = PathBuf::from(ACCOUNT);
    let token = String::from_utf8_lossy(&read(&account.join("token"))?).trim().to_owned();
    let server = format!("https://{host}:{port}");
    let server = server.parse().map_err(|_| format!("{server} is no address"))?;
    Ok(Api { server, authorities: read(&account.join("ca.crt"))?, token, identity: None })
}

/// What the current context of a kubeconfig says.
fn of_file(path: &Path) -> Result<Api, String> {
    let wrong = |what: &str| format!("kubeconfig {}: {what}", path.display());
    let file: Json = serde_json::from_slice(&read(path)?)
        .map_err(|_| wrong("it must be JSON: write it with `kubectl config view --raw -o json`"))?;
    let entry = |list: &str, name: &Json, inner: &str| {
        let found = file[list].as_array().into_iter().flatten().find(|entry| entry["name"] == *name);
        found.map(|entry| entry[inner].clone()).ok_or_else(|| wrong(&format!("there is no {inner} {name}")))
    };
    let context = entry("contexts", &file["current-context"], "context")?;
    let (cluster, user) =
        (entry("clusters", &context["cluster"], "cluster")?, entry("users", &context["user"], "user")?);
    // A value in the file itself, or in a file beside it.
    let bytes = |section: &Json, name: &str| -> Result<Option<Vec<u8>>, String> {
        if let Some(data) = section[format!("{name}-data")].as_str() {
            return STANDARD.decode(data).map(Some).map_err(|_| wrong(&format!("{name}-data is not base64")));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        section[name].as_str().map(|file| read(&folder.join(file))).transpose()
    };
    let server = cluster["server"].as_str().unwrap_or_default();
    let token = match (user["token"].as_str(), user["tokenFile"].as_str()) {
        (Some(token), _) => token.to_owned(),
        (None, Some(file)) => String::from_utf8_lossy(&read(Path::new(file))?).trim().to_owned(),
        _ => String::new(),
    };
    let identity = bytes(&user, "client-certificate")?.zip(bytes(&user, "client-key")?);
    if token.is_empty() && identity.is_none() {
        return Err(wrong("the user has neither a token nor a client certificate"));
    }
    Ok(Api {
        server: server.parse().map_err(|_| wrong(&format!("{server:?} is no address")))?,
        authorities: bytes(&cluster, "certificate-authority")?.unwrap_or_default(),
        token,
        identity,
    })
}

fn tls(api: &Api) -> Result<ClientConfig, String> {
    let refused = |error: &dyn std::fmt::Display| format!("the Kubernetes API at {}: {error}", api.server);
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&api.authorities) {
        authorities.add(certificate.map_err(|error| refused(&error))?).map_err(|error| refused(&error))?;
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| refused(&error))?.with_root_certificates(authorities);
    match &api.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| refused(&error))?;
            let chain = chain.map_err(|error| refused(&error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| refused(&error))
        }
    }
}

async fn ask(api: &Api, path: &str) -> Result<Json, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the Kubernetes API at {}: {error}", api.server);
    let host = api.server.host().ok_or_else(|| failed(&"it has no host name"))?.to_owned();
    if api.server.scheme_str() != Some("https") {
        return Err(failed(&"it must be https"));
    }
    let bare = host.trim_matches(['[', ']']).to_owned();
    let stream = TcpStream::connect((bare.as_str(), api.server.port_u16().unwrap_or(443))).await;
    let stream = stream.map_err(|error| failed(&error))?;
    let name = ServerName::try_from(bare).map_err(|error| failed(&error))?;
    let stream = TlsConnector::from(Arc::new(tls(api)?)).connect(name, stream).await.map_err(|error| failed(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    // Ends with the question; what goes wrong is seen by the one who asks.
    let connection = tokio::spawn(connection);
    let mut request = Request::get(path).header("host", host).header("accept", "application/json");
    if !api.token.is_empty() {
        request = request.header("authorization", format!("Bearer {}", api.token));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| failed(&error))?;
    connection.abort();
    let json: Json = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    if status == StatusCode::OK {
        return Ok(json);
    }
    let reason = json["message"].as_str().unwrap_or_default();
    let hint = match status {
        StatusCode::FORBIDDEN => "; the account needs a role that may list pods",
        StatusCode::UNAUTHORIZED => "; the token is not valid there",
        _ => "",
    };
    Err(failed(&format!("{status}: {reason}{hint}")))
}

#[cfg(test)]
mod tests;
