//! The certificates of the mesh with real processes: OpenSSL and rustls must take them, through rotations, restarts and
//! changes of the leader; and the commands of the mesh, beside Consul's.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde_json::{Value, json};
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const MESH: &str = "-hcl=connect { enabled = true }";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The active root, once there is one.
fn root(agent: &Agent) -> Value {
    let mut found = Value::Null;
    eventually("a root", PATIENCE, || {
        let roots = agent.request("GET", "/v1/connect/ca/roots", b"")?.json();
        let all = roots["Roots"].as_array().cloned().unwrap_or_default();
        found = all.into_iter().find(|root| root["Active"] == true).ok_or_else(|| roots.to_string())?;
        Ok(())
    });
    found
}

/// The certificate of a service, once the servers sign.
fn leaf(agent: &Agent, service: &str) -> Value {
    let mut found = Value::Null;
    eventually("a certificate", PATIENCE, || {
        let answer = agent.request("GET", &format!("/v1/agent/connect/ca/leaf/{service}"), b"")?;
        found = answer.json();
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
    found
}

/// What OpenSSL says of a certificate with its chain, for who trusts one root.
fn openssl_takes(leaf: &Value, root: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    };
    let (root, chain) = (place("root.pem", text(root, "RootCert")), place("chain.pem", text(leaf, "CertPEM")));
    let verify = |root: &Path, chain: &Path| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile"]).arg(root).arg("-untrusted");
        command.arg(chain).arg(chain).stdin(Stdio::null()).output().expect("openssl is installed")
    };
    let output = verify(&root, &chain);
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Who trusts the roots of the mesh whatever the name, as proxies do, which look at the URI themselves.
#[derive(Debug)]
struct Mesh {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Mesh {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let leaf = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, chain, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn identity(leaf: &Value) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(text(leaf, "CertPEM").as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(text(leaf, "PrivateKeyPEM").as_bytes());
    (chain.expect("certificates"), key.expect("a key"))
}

/// Both sides of a connection between two services that trust one root; an error when one refuses the other.
fn shake_hands(server: &Value, client: &Value, root: &Value) -> Result<(), rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(text(root, "RootCert").as_bytes()).expect("a root"))?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone());
    let (chain, key) = identity(server);
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients.build().expect("a root is there"))
        .with_single_cert(chain, key)?;
    let (chain, key) = identity(client);
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Mesh { roots, provider }))
        .with_client_auth_cert(chain, key)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    let mut client = ClientConnection::new(Arc::new(client), "web".try_into().expect("a name"))?;
    while client.is_handshaking() || server.is_handshaking() {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        client.write_tls(&mut to_server).expect("memory");
        server.read_tls(&mut to_server.as_slice()).expect("memory");
        server.process_new_packets()?;
        server.write_tls(&mut to_client).expect("memory");
        client.read_tls(&mut to_client.as_slice()).expect("memory");
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn others_take_the_certificates_through_a_rotation_and_a_restart() {
    let mut agent = Agent::server(&Program::ours(), &["-node=n1", MESH]);
    let first = root(&agent);
    let (web, db) = (leaf(&agent, "web"), leaf(&agent, "db"));
    openssl_takes(&web, &first).expect("OpenSSL takes a certificate");
    shake_hands(&web, &db, &first).expect("two services talk");

    // Who waits for another certificate gets it soon after the root has changed.
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let body = json!({"Provider": "consul", "Config": {"LeafCertTTL": "72h", "PrivateKey": key}}).to_string();
    agent.put("/v1/connect/ca/configuration", &body);
    let second = root(&agent);
    assert_ne!(text(&second, "ID"), text(&first, "ID"));
    let index = web["ModifyIndex"].as_u64().expect("an index");
    let renewed = agent.get_json(&format!("/v1/agent/connect/ca/leaf/web?index={index}&wait=60s"));
    assert_ne!(text(&renewed, "SerialNumber"), text(&web, "SerialNumber"));
    for known in [&first, &second] {
        openssl_takes(&renewed, known).expect("OpenSSL takes the new certificate under the old and the new root");
        shake_hands(&renewed, &leaf(&agent, "late"), known).expect("two services talk under either root");
    }
    openssl_takes(&web, &second).expect_err("the new root knows nothing of old certificates");

    agent.terminate();
    agent.restart();
    assert_eq!(text(&root(&agent), "ID"), text(&second, "ID"), "a restart keeps the root");
    openssl_takes(&leaf(&agent, "web"), &second).expect("the servers sign on");
}

#[test]
fn a_new_leader_signs_with_the_same_root() {
    let program = Program::ours();
    let first = Agent::start(&program, &["-server", "-node=n1", "-bootstrap-expect=3", MESH]);
    let join = format!("-retry-join={}", first.address());
    let start = |node: &str| Agent::start(&program, &["-server", node, "-bootstrap-expect=3", MESH, &join]);
    let mut servers = vec![start("-node=n2"), start("-node=n3")];
    servers.push(first);
    let before = servers.iter().map(root).next().expect("a server");
    let leader = servers[0].wait_for_leader();
    let leads = |agent: &Agent| leader.starts_with(&format!("{}:", agent.address()));
    let place = servers.iter().position(leads).expect("one of them leads");
    servers.swap_remove(place).kill();
    for agent in &servers {
        openssl_takes(&leaf(agent, "web"), &before).expect("signed by the root of before");
        assert_eq!(text(&root(agent), "ID"), text(&before, "ID"));
    }
}

/// Each line is run by each program against a server of its own; FOLDER has files.
const LINES: &str = "
    connect ca get-config
    connect ca set-config
    connect ca set-config -config-file FOLDER/nonexistent
    connect ca set-config -config-file FOLDER/broken.json
    connect ca set-config -config-file FOLDER/bogus.json
    connect ca set-config -config-file FOLDER/ca.json
    connect ca get-config
    intention create web db
    intention create -deny web db
    intention create -replace -deny web db
    intention create -replace -deny new db
    intention create -allow -deny a b
    intention create a
    intention create -meta x=y -meta z=1 m n
    intention create -file FOLDER/intention.json
    intention create -file FOLDER/nonexistent
    intention create -file FOLDER/broken.json
    intention check web db
    intention check m n
    intention check a
    intention get m n
    intention get nope none
    intention get
    intention get notid
    intention match db
    intention match -source web
    intention match -source -destination web
    intention match
    intention match nothing
    intention delete m n
    intention delete m n
    intention delete
    intention delete 12345678-1234-1234-1234-123456789012
    config write FOLDER/entry.hcl
    config write FOLDER/entry.json
    config write
    config write FOLDER/nonexistent
    config write FOLDER/kind.hcl
    config write FOLDER/key.hcl
    config write -cas -modify-index=1 FOLDER/entry.hcl
    config write -cas FOLDER/entry.hcl
    config read -kind service-defaults -name web
    config read -kind service-defaults
    config read -name web
    config read -kind service-defaults -name nn
    config read -kind zz -name nn
    config list -kind service-defaults
    config list
    config list -kind zz
    config list -kind service-router
    config delete -kind service-defaults -name web
    config delete -kind service-defaults -name web
    config delete -kind service-defaults
    config delete -name a
    config delete -kind zz -name b
";

const FILES: &[(&str, &str)] = &[
    ("broken.json", "{"),
    ("bogus.json", r#"{"Provider": "bogus"}"#),
    ("ca.json", r#"{"Provider": "consul", "Config": {"LeafCertTTL": "2h", "Other": {"a": [1]}}}"#),
    ("intention.json", r#"{"SourceName": "f1", "DestinationName": "f2", "Action": "allow"}"#),
    (
        "entry.hcl",
        "Kind = \"service-defaults\"\nName = \"web\"\nProtocol = \"http\"\nMeshGateway { Mode = \"local\" }\n",
    ),
    ("entry.json", r#"{"Kind": "service-defaults", "Name": "db", "protocol": "tcp"}"#),
    ("kind.hcl", "Kind = \"zz\"\nName = \"x\"\n"),
    ("key.hcl", "Kind = \"service-defaults\"\nName = \"x\"\nFoo = \"z\"\n"),
];

/// What a command says, without what differs from run to run.
fn said(program: &Program, agent: &Agent, words: &[&str]) -> String {
    let output = Command::new(program.path())
        .args(words)
        .env("CONSUL_HTTP_ADDR", agent.address().port(8500).to_string())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let both = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let hidden = |line: &str| match line {
        line if line.starts_with("Created At:") => "Created At:".to_owned(),
        line if line.contains("Index\":") => line.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',').to_owned(),
        // The id of an intention, alone or in a text.
        line => line
            .split_inclusive([' ', ','])
            .map(|word| if word.matches('-').count() == 4 { "ID" } else { word })
            .collect(),
    };
    let lines: Vec<String> = both.iter().flat_map(|text| text.lines().map(hidden)).collect();
    format!("{:?} {lines:#?}", output.status.code())
}

#[test]
fn the_commands_say_what_consuls_say() {
    let Some(oracle) = Program::oracle() else { return };
    let ours = Program::ours();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let servers = [&oracle, &ours].map(|program| Agent::server(program, &["-node=n1", MESH]));
    servers.iter().for_each(|agent| drop(root(agent)));
    let mut different = String::new();
    for line in LINES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.replace("FOLDER", &folder.path().display().to_string());
        let words: Vec<&str> = line.split_whitespace().collect();
        let theirs = said(&oracle, &servers[0], &words);
        let own = said(&ours, &servers[1], &words);
        if own != theirs {
            different.push_str(&format!("{line}\n  Consul: {theirs}\n  ours:   {own}\n"));
        }
    }
    assert!(different.is_empty(), "these commands say something else:\n{different}");
}
