//! Tokens by somebody who wants in without a key, and tokens that only want to break something.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt::{Algorithm, Expectations, JwtError, Keys, Mappings, PublicKey, TOKEN_BYTES_MAX, Unverified, check_claims};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn p256() -> (EcdsaKeyPair, Keys) {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let key = PublicKey::from_pem(&pair.public_key_pem()).expect("its public half");
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &rng).expect("a key");
    (pair, Keys::unnamed(vec![key]))
}

fn signed_by(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", encode(signature))
}

fn verified(keys: &Keys, token: &str) -> Result<Value, JwtError> {
    keys.verify(&Unverified::parse(token)?, &[]).cloned()
}

fn claims() -> Value {
    json!({"iss": "i", "aud": "a", "exp": NOW + 60, "iat": NOW, "name": "web", "groups": ["x", 1], "deep": {"er": true}})
}

#[test]
fn what_a_key_has_signed_is_believed_and_nothing_else() {
    let (pair, keys) = p256();
    let good = signed_by(&pair, &json!({"alg": "ES256"}), &claims());
    assert_eq!(verified(&keys, &good).expect("good"), claims());
    let (other, _) = p256();
    let header = json!({"alg": "ES256"});
    assert_eq!(verified(&keys, &signed_by(&other, &header, &claims())), Err(JwtError::Signature));
    // The claims of one token with the signature of another.
    let mut more = claims();
    more["name"] = json!("root");
    let parts: Vec<&str> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], encode(more.to_string()), parts[2]);
    assert_eq!(verified(&keys, &forged), Err(JwtError::Signature));
    assert_eq!(verified(&keys, ""), Err(JwtError::Missing));
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    let (pair, keys) = p256();
    let PublicKey::P256(point) = PublicKey::from_pem(&public_pem(&pair)).expect("a key") else { panic!("not P-256") };
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &point);
    for algorithm in ["none", "None", "", "HS256", "RS256", "PS256", "ES384", "EdDSA", "ES256K", "es256"] {
        let header = json!({"alg": algorithm});
        let right = signed_by(&pair, &header, &claims());
        assert_eq!(verified(&keys, &right), Err(JwtError::Signature), "{algorithm} with a good signature");
        let body = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
        assert_eq!(verified(&keys, &format!("{body}.")), Err(JwtError::Signature), "{algorithm} without a signature");
        let tag = ring::hmac::sign(&hmac, body.as_bytes());
        assert_eq!(
            verified(&keys, &format!("{body}.{}", encode(tag))),
            Err(JwtError::Signature),
            "{algorithm} by HMAC"
        );
    }
    for header in [
        json!({"alg": "ES256", "crit": ["exp"]}),
        json!({"alg": "ES256", "b64": false}),
        json!({"alg": "ES256", "crit": []}),
        json!({"alg": ["ES256"]}),
        json!({}),
    ] {
        let token = signed_by(&pair, &header, &claims());
        assert_eq!(verified(&keys, &token), Err(JwtError::Signature), "{header}");
    }
    // A key in the token itself is nobody's.
    let (own, _) = p256();
    let point = own.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])});
    let token = signed_by(&own, &json!({"alg": "ES256", "jwk": jwk, "jku": "https://127.0.0.1/keys"}), &claims());
    assert_eq!(verified(&keys, &token), Err(JwtError::Signature));
}

fn public_pem(pair: &EcdsaKeyPair) -> String {
    let mut info = vec![0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8];
    info.extend([0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0]);
    info.extend(pair.public_key().as_ref());
    let body = base64::engine::general_purpose::STANDARD.encode(info);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn key_sets_are_used_by_name() {
    let (one, _) = p256();
    let (two, _) = p256();
    let entry = |pair: &EcdsaKeyPair, name: &str| {
        let point = pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": name, "use": "sig", "x": encode(&point[1..33]), "y": encode(&point[33..])})
    };
    let shared = json!({"kty": "oct", "k": "c2VjcmV0"});
    let set = json!({"keys": [entry(&one, "1"), entry(&two, "2"), shared, {"kty": "EC", "crv": "P-256", "x": "AA", "y": ""}]});
    let keys = Keys::from_jwks(set.to_string().as_bytes()).expect("two of them can be used");
    let token = |pair, name: &str| signed_by(pair, &json!({"alg": "ES256", "kid": name}), &claims());
    assert!(verified(&keys, &token(&one, "1")).is_ok());
    assert!(verified(&keys, &token(&two, "2")).is_ok());
    assert_eq!(verified(&keys, &token(&two, "1")), Err(JwtError::Signature));
    assert_eq!(verified(&keys, &token(&two, "3")), Err(JwtError::Signature));
    for bad in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#] {
        assert!(Keys::from_jwks(bad.as_bytes()).is_err(), "{bad}");
    }
    let many = json!({"keys": vec![entry(&one, "1"); jwt::KEYS_MAX + 1]});
    assert!(Keys::from_jwks(many.to_string().as_bytes()).is_err());
}

#[test]
fn ed25519_keys_and_certificates_are_read() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let key = PublicKey::from_pem(&pair.public_key_pem()).expect("its public half");
    let certificate = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name").self_signed(&pair);
    assert_eq!(PublicKey::from_pem(&certificate.expect("a certificate").pem()).expect("its key"), key);
    let ring = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pair.serialize_der()).expect("a key");
    assert_eq!(ring.public_key().as_ref(), pair.der_bytes());
    let signed = format!("{}.{}", encode(r#"{"alg":"EdDSA"}"#), encode(claims().to_string()));
    let token = format!("{signed}.{}", encode(ring.sign(signed.as_bytes())));
    let keys = Keys::unnamed(vec![key]);
    assert!(verified(&keys, &token).is_ok());
    let parsed = Unverified::parse(&token).expect("a token");
    assert_eq!(keys.verify(&parsed, &[Algorithm::Es256]), Err(JwtError::Algorithm("EdDSA")));
    for bad in ["", "foo", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----", &pair.serialize_pem()] {
        assert!(PublicKey::from_pem(bad).is_err());
    }
}

#[test]
fn claims_must_hold_now_and_here() {
    let expected = Expectations { issuer: "i".to_owned(), audiences: vec!["a".to_owned()], ..Expectations::default() };
    let with = |name: &str, value: Value| {
        let mut all = claims();
        all[name] = value;
        check_claims(&all, &expected, NOW).map_err(|error| error.to_string())
    };
    assert_eq!(check_claims(&claims(), &expected, NOW), Ok(()));
    assert_eq!(with("aud", json!(["b", "a"])), Ok(()));
    assert_eq!(with("exp", json!(NOW - 30)), Ok(()), "clocks may differ");
    for (name, value, why) in [
        ("iss", json!("j"), "invalid issuer claim (iss)"),
        ("iss", Value::Null, "invalid issuer claim (iss)"),
        ("aud", json!("b"), "aud claim does not match any bound audience"),
        ("aud", Value::Null, "aud claim does not match any bound audience"),
        ("aud", json!({"a": 1}), "aud is neither a text nor a list of texts"),
        ("exp", json!(NOW - 61), "token is expired (exp)"),
        ("exp", json!("soon"), "exp is not a time"),
        ("exp", json!(-1), "exp is not a time"),
        ("nbf", json!(NOW + 61), "token not valid yet (nbf)"),
        ("iat", json!(NOW + 61), "token not valid yet (nbf)"),
    ] {
        assert_eq!(with(name, value), Err(format!("error validating claims: {why}")));
    }
    let nobody = Expectations::default();
    assert!(check_claims(&claims(), &nobody, NOW).is_err(), "an audience that nobody asked for");
    assert_eq!(check_claims(&json!({}), &nobody, NOW), Err(JwtError::NoTimes));
    assert!(check_claims(&json!({"iat": NOW - 200}), &nobody, NOW).is_ok(), "it lives a little while");
    assert!(check_claims(&json!({"iat": NOW - 211}), &nobody, NOW).is_err());
    let strict = Expectations { expiration_leeway: -1, clock_skew: -1, ..Expectations::default() };
    assert!(check_claims(&json!({"iat": NOW - 1}), &strict, NOW).is_err());
    assert!(check_claims(&json!({"exp": i64::MAX, "nbf": 1}), &nobody, NOW).is_ok());
    assert!(check_claims(&json!({"iat": i64::MAX}), &nobody, NOW).is_err());
    assert!(check_claims(&json!({"exp": 1e300, "iat": NOW}), &nobody, NOW).is_ok());
}

#[test]
fn claims_get_the_names_that_rules_speak_of() {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let mappings = Mappings {
        values: map(&[("name", "name"), ("/deep/er", "deeper"), ("absent", "absent"), ("exp", "exp")]),
        lists: map(&[("groups", "groups"), ("name", "names"), ("absent", "none")]),
    };
    mappings.check().expect("each name once");
    let mapped = mappings.apply(&claims()).expect("mapped");
    assert_eq!(mapped.values, map(&[("name", "web"), ("deeper", "true"), ("absent", ""), ("exp", "1800000060")]));
    assert_eq!(mapped.lists["groups"], ["x", "1"]);
    assert_eq!((mapped.lists["names"].len(), mapped.lists["none"].len()), (1, 0));
    let twice = Mappings { values: map(&[("a", "x"), ("b", "x")]), ..Mappings::default() };
    assert_eq!(twice.check(), Err("ClaimMappings contains multiple mappings for key \"x\"".to_owned()));
    for claim in ["groups", "deep"] {
        let wrong = Mappings { values: map(&[(claim, "x")]), ..Mappings::default() };
        assert!(wrong.apply(&claims()).is_err());
    }
}

#[test]
fn size_and_depth_have_a_bound() {
    let huge = format!("{}.{}.", encode(r#"{"alg":"ES256"}"#), "A".repeat(TOKEN_BYTES_MAX));
    assert!(matches!(Unverified::parse(&huge), Err(JwtError::Malformed(_))));
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = format!("{}.{}.", encode(r#"{"alg":"ES256"}"#), encode(format!(r#"{{"a":{deep}}}"#)));
    assert!(matches!(Unverified::parse(&deep), Err(JwtError::Malformed(_))));
}

proptest! {
    #[test]
    fn nothing_breaks_the_reader(text in "[A-Za-z0-9_=.-]{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(Unverified::parse(&text));
        drop(Unverified::parse(&String::from_utf8_lossy(&bytes)));
        drop(Keys::from_jwks(&bytes));
        let body = base64::engine::general_purpose::STANDARD.encode(&bytes);
        for label in ["PUBLIC KEY", "CERTIFICATE"] {
            drop(PublicKey::from_pem(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")));
        }
    }

    #[test]
    fn no_changed_token_is_believed(at in 0_usize..1000, to in any::<u8>()) {
        let (pair, keys) = p256();
        let good = signed_by(&pair, &json!({"alg": "ES256"}), &claims());
        let mut bytes = good.into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        prop_assert!(verified(&keys, &String::from_utf8_lossy(&bytes)).is_err());
    }

    #[test]
    fn any_claims_are_checked_without_a_panic(iat in any::<i64>(), nbf in any::<i64>(), exp in any::<f64>(), now in any::<i64>()) {
        drop(check_claims(&json!({"iat": iat, "nbf": nbf, "exp": exp}), &Expectations::default(), now));
    }
}
