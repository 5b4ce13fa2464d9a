//! The authority on its own: roots, rotation, requests and what is refused.

use std::time::{Duration, SystemTime};

use model::MeshCa;
use serde_json::{Value, json};
use state::{Command, PutMeshCa, Store};

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn apply(store: &mut Store, index: u64, command: &Command) -> MeshCa {
    store.apply(index, &command.encode());
    store.publish();
    store.reader().view().mesh_ca().map(|ca| MeshCa::clone(ca)).expect("an authority")
}

fn begin() -> (Store, MeshCa) {
    let mut store = Store::new();
    let given = json!({"cluster_id": "11111111-2222-3333-4444-555555555555"});
    let command = initialize(&store.reader().view(), &given, String::new(), SystemTime::now()).expect("good settings");
    let ca = apply(&mut store, 1, &command.expect("there was no authority"));
    (store, ca)
}

fn changed(store: &mut Store, index: u64, config: Value) -> MeshCa {
    let wanted = CaChange { provider: PROVIDER.to_owned(), config, ..CaChange::default() };
    let command = change(&store.reader().view(), &wanted, SystemTime::now()).expect("a good change");
    apply(store, index, &command)
}

fn service(ca: &MeshCa, name: &str) -> Identity {
    Identity::Service { trust_domain: ca.trust_domain(), datacenter: "dc1".to_owned(), name: name.to_owned() }
}

fn sign(ca: &MeshCa, identity: &Identity, names: &[&str]) -> Result<IssuedCertificate, CaError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (_, request) = new_request(identity, &names, &[[127, 0, 0, 1].into()])?;
    let signing = Signing { datacenter: "dc1", serial: 7, index: 9, now: SystemTime::now() };
    SigningRequest::read(&request)?.sign(ca, &signing)
}

/// Whether the first certificate of a chain is signed by the key of the last, over those between.
fn is_chain(pems: &[&str]) -> bool {
    let blocks: Vec<_> = pems
        .iter()
        .flat_map(|pem| x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()))
        .map(|block| block.expect("PEM"))
        .collect();
    let chain: Vec<_> = blocks.iter().map(|block| block.parse_x509().expect("a certificate")).collect();
    chain.windows(2).all(|pair| {
        pair[0].issuer().as_raw() == pair[1].subject().as_raw()
            && pair[0].verify_signature(Some(pair[1].public_key())).is_ok()
    })
}

#[test]
fn a_root_signs_services_and_agents() {
    let (store, ca) = begin();
    assert!(
        initialize(&store.reader().view(), &json!({}), String::new(), SystemTime::now()).expect("settings").is_none()
    );
    let root = ca.active_root().expect("a root");
    assert_eq!((root.private_key_type.as_str(), root.private_key_bits, root.serial_number), ("ec", 256, 1));
    let leaf = sign(&ca, &service(&ca, "web api"), &[]).expect("signed");
    assert_eq!(
        leaf.service_uri,
        "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web%20api"
    );
    assert!(is_chain(&[&leaf.cert_pem, &root.root_cert]));
    let agent = Identity::Agent { trust_domain: ca.trust_domain(), datacenter: "dc1".into(), name: "n1".into() };
    let agent = sign(&ca, &agent, &["localhost"]).expect("signed");
    assert!(is_chain(&[&agent.cert_pem, &root.root_cert]));
    assert_eq!((agent.agent.as_str(), agent.service.as_str(), agent.modify_index), ("n1", "", 9));
}

#[test]
fn what_is_not_of_this_mesh_is_refused() {
    let (_, ca) = begin();
    let text = |identity: &Identity, names: &[&str]| sign(&ca, identity, names).map(|_| ()).unwrap_err().to_string();
    let elsewhere = Identity::Service {
        trust_domain: "22222222-2222-3333-4444-555555555555.consul".into(),
        datacenter: "dc1".into(),
        name: "web".into(),
    };
    assert!(text(&elsewhere, &[]).contains("different trust domain"));
    let far = Identity::Service { trust_domain: ca.trust_domain(), datacenter: "dc2".into(), name: "web".into() };
    assert!(text(&far, &[]).contains("different datacenter"));
    let agent = Identity::Agent { trust_domain: ca.trust_domain(), datacenter: "dc1".into(), name: "n1".into() };
    assert!(text(&agent, &["Server.dc1.consul"]).contains("name of a server"));
    let (_, request) = new_request(&service(&ca, "web"), &[], &[]).expect("a request");
    let forged = request.replacen('M', "N", 1);
    assert!(SigningRequest::read(&forged).is_err());
    assert!(SigningRequest::read("").is_err());
    assert!(SigningRequest::read(&"x".repeat(20_000)).is_err());
    assert!(SigningRequest::read(&ca.active_root().expect("a root").root_cert).is_err());
}

#[test]
fn a_rotation_is_crossed_and_old_roots_are_forgotten() {
    let (mut store, first) = begin();
    let before = first.active_root().expect("a root").clone();
    // Other settings alone leave the root.
    let same = changed(&mut store, 2, json!({"LeafCertTTL": "1h", "test_state": {"foo": "bar"}}));
    assert_eq!(same.active_root().map(|root| &root.id), Some(&before.id));
    assert_eq!(same.state, json!({"foo": "bar"}));
    let key = keys::generate(Some(384)).expect("a key");
    let config = json!({"LeafCertTTL": "1h", "PrivateKey": key.serialize_pem()});
    let ca = changed(&mut store, 3, config.clone());
    let root = ca.active_root().expect("a root").clone();
    assert_eq!((root.private_key_bits, ca.roots.len()), (384, 2));
    let crossed = root.intermediate_certs.as_ref().and_then(|certificates| certificates.first()).expect("crossed");
    assert!(is_chain(&[crossed, &before.root_cert]));
    let leaf = sign(&ca, &service(&ca, "web"), &[]).expect("signed");
    assert!(is_chain(&[&leaf.cert_pem, &before.root_cert]), "the leaf brings the way to the root before");
    let leaf_alone = leaf.cert_pem.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a certificate");
    assert!(is_chain(&[leaf_alone, &root.root_cert]));
    assert_eq!(changed(&mut store, 4, config).roots.len(), 2, "the same key is the same root");
    let view = store.reader().view();
    assert!(prune(&view, SystemTime::now() + Duration::from_mins(110)).is_none());
    let command = prune(&view, SystemTime::now() + Duration::from_mins(121)).expect("an old root");
    assert_eq!(apply(&mut store, 5, &command).roots, vec![root]);
    assert!(prune(&store.reader().view(), SystemTime::now() + DAY).is_none());
}

#[test]
fn a_change_from_an_old_view_is_not_applied() {
    let (mut store, ca) = begin();
    let stale = Command::PutMeshCa(PutMeshCa { ca: MeshCa::default(), expected_index: ca.modify_index + 1 });
    assert_eq!(apply(&mut store, 2, &stale), ca);
}

#[test]
fn wrong_settings_are_refused() {
    let (store, _) = begin();
    let refused = |provider: &str, config: Value| {
        let wanted = CaChange { provider: provider.to_owned(), config, ..CaChange::default() };
        change(&store.reader().view(), &wanted, SystemTime::now()).unwrap_err().message
    };
    for (config, text) in [
        (json!({"LeafCertTTL": "1m"}), "leaf cert TTL must be greater or equal than 1h0m0s"),
        (json!({"LeafCertTTL": "8761h"}), "leaf cert TTL must be less than 8760h0m0s"),
        (json!({"leafcertttl": "zz"}), "error decoding 'LeafCertTTL': time: invalid duration \"zz\""),
        (json!({"CSRMaxPerSecond": "x"}), "cannot parse 'CSRMaxPerSecond' as float"),
        (json!({"RootCert": "x"}), "must provide a private key when providing a root cert"),
        (json!({"PrivateKeyBits": 1024}), "EC key length must be one of (224, 256, 384, 521) bits"),
        (json!({"PrivateKeyType": "zz"}), "private key type must be either 'ec' or 'rsa'"),
        (json!({"IntermediateCertTTL": "1h"}), "Intermediate Cert TTL must be greater or equal than 3h"),
        (json!({"PrivateKey": "zz"}), "no PEM-encoded data found"),
        (json!({"PrivateKey": true}), "'PrivateKey' expected type 'string', got 'bool'"),
    ] {
        let message = refused(PROVIDER, config);
        assert!(message.contains(text), "{message}");
    }
    assert_eq!(refused("bogus", json!({})), "could not initialize provider: unknown CA provider \"bogus\"");
    let key = keys::generate(Some(256)).expect("a key").serialize_pem();
    let other = store.reader().view().mesh_ca().and_then(|ca| ca.active_root().cloned()).expect("a root").root_cert;
    let message = refused(PROVIDER, json!({"PrivateKey": key, "RootCert": other}));
    assert!(message.contains("of another key"), "{message}");
    assert!(
        !refused(
            PROVIDER,
            json!({"PrivateKey": "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n"})
        )
        .contains("MHcC")
    );
}

#[test]
fn keys_go_out_and_in_as_sec1() {
    let key = keys::generate(Some(256)).expect("a key");
    let text = keys::to_pem(&key);
    assert!(text.starts_with("-----BEGIN EC PRIVATE KEY-----\n"), "{text}");
    assert_eq!(keys::read(&text).expect("readable").public_key_raw(), key.public_key_raw());
    let large = keys::generate(Some(384)).expect("a key");
    assert_eq!(keys::read(&keys::to_pem(&large)).expect("readable").public_key_raw(), large.public_key_raw());
}

#[test]
fn a_request_with_several_identities_is_refused() {
    use rcgen::{CertificateParams, KeyPair, SanType};
    let (_, ca) = begin();
    let request = |services: &[&str]| {
        let uri = |name: &&str| SanType::URI(service(&ca, name).uri().try_into().expect("ASCII"));
        let mut params = CertificateParams::default();
        params.subject_alt_names = services.iter().map(uri).collect();
        let key = KeyPair::generate().expect("a key");
        params.serialize_request(&key).and_then(|request| request.pem()).expect("a request")
    };
    assert!(SigningRequest::read(&request(&["web"])).is_ok());
    for (services, count) in [(&["web", "db"][..], 2), (&[], 0)] {
        let error = SigningRequest::read(&request(services)).map(|_| ()).expect_err("one is allowed").to_string();
        assert!(error.contains(&format!("invalid number of URIs: {count}")), "{error}");
    }
}
