//! The listener's TLS against rustls as a client: verification both ways, new files, versions, hanging clients.

use client::tls::TlsSettings;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a new identity and trusts it.
    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        std::fs::write(self.path("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).expect("written");
    }

    fn settings(&self) -> Tls {
        self.https(|settings| settings)
    }

    /// Settings with something changed.
    fn https(&self, change: impl FnOnce(TlsProtocol) -> TlsProtocol) -> Tls {
        let https = TlsProtocol {
            cert_file: Some(self.path("cert.pem")),
            key_file: Some(self.path("key.pem")),
            ca_file: Some(self.path("cert.pem")),
            handshake_timeout: Duration::from_millis(500),
            ..TlsProtocol::default()
        };
        Tls { https: change(https), ..Tls::default() }
    }

    fn client(&self, with_identity: bool) -> TlsSettings {
        TlsSettings {
            ca_file: Some(self.path("cert.pem")),
            cert_file: with_identity.then(|| self.path("cert.pem")),
            key_file: with_identity.then(|| self.path("key.pem")),
            ..TlsSettings::default()
        }
    }
}

fn load(settings: &Tls) -> Result<Arc<AgentTls>, TlsError> {
    AgentTls::load(Role::default(), settings)
}

fn files() -> Files {
    let files = Files { folder: tempfile::tempdir().expect("a temporary folder") };
    files.renew();
    files
}

/// One connection through the listener's TLS: what arrives, or what the client is told.
async fn greet(server: &Arc<AgentTls>, client: &TlsSettings) -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = listener.local_addr().expect("bound");
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        if let Ok(mut stream) = server.accept_https(stream).await {
            let _ = stream.write_all(b"hello").await;
            let _ = stream.shutdown().await;
        }
    });
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(client.client_config(&[]).map_err(|error| error.to_string())?);
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(|error| error.to_string())?;
    Ok(text)
}

#[tokio::test]
async fn changed_files_are_taken_and_broken_ones_are_not() {
    let files = files();
    let server = load(&files.settings()).expect("usable");
    assert_eq!(greet(&server, &files.client(false)).await.as_deref(), Ok("hello"));
    files.renew();
    greet(&server, &files.client(false))
        .await
        .expect_err("the client trusts the new one, the server shows the old one");
    server.reload(&files.settings()).expect("usable");
    assert_eq!(greet(&server, &files.client(false)).await.as_deref(), Ok("hello"));
    let trusting = files.client(false).client_config(&[]);
    std::fs::write(files.path("key.pem"), "garbage").expect("written");
    let error = server.reload(&files.settings()).expect_err("no key").to_string();
    assert!(error.contains("key.pem"), "{error}");
    assert_eq!(greet(&server, &files.client(false)).await.as_deref(), Ok("hello"), "the last good one stays");
    drop(trusting);
}

#[tokio::test]
async fn clients_without_a_certificate_are_refused_when_they_must_have_one() {
    let files = files();
    let server = load(&files.https(|settings| TlsProtocol { verify_incoming: true, ..settings })).expect("usable");
    assert_eq!(greet(&server, &files.client(true)).await.as_deref(), Ok("hello"));
    greet(&server, &files.client(false)).await.expect_err("nobody");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_given_up() {
    let files = files();
    let server = load(&files.settings()).expect("usable");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let _silent = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
    let (stream, _) = listener.accept().await.expect("a client");
    assert_eq!(server.accept_https(stream).await.expect_err("silence"), "it took too long");
}

#[test]
fn suites_have_go_names_and_unknown_ones_are_refused() {
    let files = files();
    let with = |names: &[&str]| {
        let cipher_suites = names.iter().map(|name| (*name).to_owned()).collect();
        files.https(|settings| TlsProtocol { cipher_suites, ..settings })
    };
    let known = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"];
    load(&with(&known)).expect("both are there");
    let error = load(&with(&["TLS_RSA_WITH_RC4_128_SHA"])).expect_err("broken for years").to_string();
    assert!(error.contains("TLS_RSA_WITH_RC4_128_SHA"), "{error}");
    assert!(error.contains("there are TLS_ECDHE_"), "{error}");
}

#[tokio::test]
async fn new_files_are_noticed_and_the_first_to_expire_is_known() {
    let files = files();
    let server = load(&files.settings()).expect("usable");
    let left = server.expires_in().expect("a certificate is shown");
    assert!(left > Duration::from_hours(24 * 365), "{left:?}");
    let following = tokio::spawn(server.clone().follow_files(Duration::from_millis(10)));
    let made = test_pki::Authority::new("of the new certificate");
    made.issue("new", "localhost", 2021);
    // Another length, because a test may write twice in the same tick of the file system's clock.
    for (from, to) in [("new.key", "key.pem"), ("new.pem", "cert.pem")] {
        let text = std::fs::read_to_string(made.path(from)).expect("made");
        std::fs::write(files.path(to), format!("{text}\n\n")).expect("written");
    }
    while server.expires_in() != Some(Duration::ZERO) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    following.abort();
}
