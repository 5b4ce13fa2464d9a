//! Auth methods, binding rules, login and logout, against ours and the real Consul; what it sells (`oidc`) against ours.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::https::{HttpsServer, Request, other_ca};
use tests::{Agent, Program, eventually, http};

const ROOT: &str = "11111111-2222-4333-8444-555555555555";
const PATIENCE: Duration = Duration::from_secs(60);

/// Who signs tokens.
struct Signer(EcdsaKeyPair, String);

impl Signer {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let rng = SystemRandom::new();
        let ring = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &rng);
        Self(ring.expect("a key"), pair.public_key_pem())
    }

    fn sign(&self, claims: &Value) -> String {
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let signed =
            format!("{}.{}", encode(json!({"alg": "ES256", "kid": "k"}).to_string()), encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn key_set(&self) -> String {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k", "x": x, "y": y}]})
            .to_string()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

fn call(agent: &Agent, method: &str, path: &str, token: &str, body: &Value) -> (u16, String) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let address = agent.address().port(8500);
    let answer = http::request(address, method, &format!("/v1/{path}"), &[("X-Consul-Token", token)], body.as_bytes());
    let answer = answer.expect("an answer");
    (answer.status, answer.text())
}

fn start(program: &Program) -> Agent {
    let config = format!(r#"-hcl=acl {{ enabled = true default_policy = "deny" tokens {{ master = "{ROOT}" }} }}"#);
    let agent = Agent::server(program, &["-node=n1", &config]);
    eventually("the new ACL system", PATIENCE, || match call(&agent, "GET", "acl/policies", ROOT, &Value::Null) {
        (200, _) => Ok(()),
        (status, text) => Err(format!("{status} {text}")),
    });
    agent
}

fn put(agent: &Agent, path: &str, body: &Value) -> Value {
    let (status, text) = call(agent, "PUT", path, ROOT, body);
    assert_eq!(status, 200, "PUT {path} {body}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

fn login(agent: &Agent, method: &str, bearer: &str) -> Result<Value, (u16, String)> {
    let body = json!({"AuthMethod": method, "BearerToken": bearer});
    match call(agent, "POST", "acl/login", "", &body) {
        (200, text) => Ok(serde_json::from_str(&text).expect("a token")),
        refused => Err(refused),
    }
}

/// Both programs, or ours alone.
fn programs() -> Vec<Program> {
    [Some(Program::ours()), Program::oracle()].into_iter().flatten().collect()
}

#[test]
fn tokens_of_an_issuer_with_a_key_set() {
    let signer = Arc::new(Mutex::new(Signer::new()));
    let shown = Arc::clone(&signer);
    let issuer = HttpsServer::start(move |request| match request.path.as_str() {
        "/keys" => (200, shown.lock().expect("nobody panicked").key_set()),
        _ => (404, String::new()),
    });
    for program in programs() {
        let agent = start(&program);
        let method = |ca: &str| {
            json!({"Name": "j", "Type": "jwt", "MaxTokenTTL": "5m", "TokenLocality": "global", "Config": {
                "JWKSURL": format!("{}/keys", issuer.url()), "JWKSCACert": ca, "JWTSupportedAlgs": ["ES256"],
                "BoundAudiences": ["consul"], "BoundIssuer": "us", "ClaimMappings": {"name": "name"},
                "ListClaimMappings": {"groups": "groups"}}})
        };
        let (status, text) = call(&agent, "PUT", "acl/auth-method", ROOT, &method(&other_ca()));
        assert_eq!(status, 500);
        assert!(text.starts_with("Invalid Auth Method: error checking JWKSURL: "), "{text}");
        put(&agent, "acl/auth-method", &method(issuer.ca()));
        put(&agent, "acl/role", &json!({"Name": "ops"}));
        for rule in [
            json!({"BindType": "service", "BindName": "app-${value.name}", "Selector": r#""dev" in list.groups"#}),
            json!({"BindType": "role", "BindName": "ops", "Selector": "value.name == Boss"}),
            json!({"BindType": "role", "BindName": "absent"}),
        ] {
            let mut rule = rule;
            rule["AuthMethod"] = json!("j");
            put(&agent, "acl/binding-rule", &rule);
        }
        let claims = |name: &str, groups: Value| json!({"iss": "us", "aud": ["x", "consul"], "exp": now() + 600, "iat": now(), "name": name, "groups": groups});
        let sign = |claims: &Value| signer.lock().expect("nobody panicked").sign(claims);
        let token = login(&agent, "j", &sign(&claims("Boss", json!(["dev", 7])))).expect("a token");
        assert_eq!(token["ServiceIdentities"], json!([{"ServiceName": "app-boss"}]));
        assert_eq!(token["Roles"][0]["Name"], "ops");
        assert_eq!((&token["Local"], &token["AuthMethod"]), (&json!(false), &json!("j")));
        assert!(token["ExpirationTime"].is_string(), "{token}");
        // It may be what it is, and no more.
        let secret = token["SecretID"].as_str().expect("a secret");
        let register = |name: &str| call(&agent, "PUT", "agent/service/register", secret, &json!({"Name": name})).0;
        assert_eq!((register("app-boss"), register("other")), (200, 403));
        assert_eq!(login(&agent, "j", &sign(&claims("x", json!([])))), Err((403, "Permission denied".to_owned())));
        assert_eq!(call(&agent, "POST", "acl/logout", secret, &Value::Null).0, 200);
        assert_eq!(register("app-boss"), 403, "it is no token any more");
        // The issuer signs with another key from now on.
        let old = sign(&claims("Boss", json!(["dev"])));
        *signer.lock().expect("nobody panicked") = Signer::new();
        eventually("the new key", PATIENCE, || {
            login(&agent, "j", &sign(&claims("Boss", json!(["dev"])))).map_err(|e| e.1)
        });
        if !program.is_oracle {
            let why = "no known key successfully validated the token signature";
            assert_eq!(login(&agent, "j", &old), Err((500, why.to_owned())));
        }
    }
}

#[test]
fn tokens_of_an_issuer_that_describes_itself() {
    let signer = Arc::new(Signer::new());
    let (shown, own) = (Arc::clone(&signer), Arc::new(Mutex::new(String::new())));
    let url = Arc::clone(&own);
    let issuer = HttpsServer::start(move |request| {
        let own = url.lock().expect("nobody panicked").clone();
        match request.path.as_str() {
            "/.well-known/openid-configuration" => (
                200,
                json!({"issuer": own, "jwks_uri": format!("{own}/jwks"), "authorization_endpoint": own,
                    "token_endpoint": own, "id_token_signing_alg_values_supported": ["ES256"]})
                .to_string(),
            ),
            "/jwks" => (200, shown.key_set()),
            _ => (404, String::new()),
        }
    });
    *own.lock().expect("nobody panicked") = issuer.url();
    for program in programs() {
        let agent = start(&program);
        put(
            &agent,
            "acl/auth-method",
            &json!({"Name": "d", "Type": "jwt", "Config": {"OIDCDiscoveryURL": issuer.url(),
            "OIDCDiscoveryCACert": issuer.ca(), "JWTSupportedAlgs": ["ES256"], "ClaimMappings": {"/a/b": "deep"}}}),
        );
        put(
            &agent,
            "acl/binding-rule",
            &json!({"AuthMethod": "d", "BindType": "service", "BindName": "${value.deep}"}),
        );
        let token = signer.sign(&json!({"iss": issuer.url(), "exp": now() + 60, "a": {"b": "x1"}}));
        assert_eq!(login(&agent, "d", &token).expect("a token")["ServiceIdentities"][0]["ServiceName"], "x1");
        let token = signer.sign(&json!({"iss": "https://elsewhere", "exp": now() + 60, "a": {"b": "x1"}}));
        assert_eq!(login(&agent, "d", &token).expect_err("another issuer").0, 500);
    }
}

/// What the API server of Kubernetes says of tokens, which are named by their signatures.
fn kubernetes(request: &Request, reviewer: &str) -> (u16, String) {
    if request.header("authorization") != format!("Bearer {reviewer}") {
        return (401, String::new());
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews") => {
            let asked: Value = serde_json::from_str(&request.body).expect("a review");
            let status = match asked["spec"]["token"].as_str().expect("a token").rsplit('.').next() {
                Some("d2Vi") => {
                    json!({"authenticated": true, "user": {"username": "system:serviceaccount:shop:web", "uid": "u1"}})
                }
                Some("dXNlcg") => json!({"authenticated": true, "user": {"username": "admin", "uid": "u2"}}),
                Some("b2xk") => json!({"authenticated": false, "error": "[invalid bearer token, Token has expired]"}),
                _ => json!({"authenticated": false}),
            };
            let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
                "spec": asked["spec"], "status": status});
            (201, review.to_string())
        }
        ("GET", "/api/v1/namespaces/shop/serviceaccounts/web") => {
            let account = json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "web",
                "namespace": "shop", "uid": "u1", "annotations": {"consul.hashicorp.com/service-name": "frontend"}}});
            (200, account.to_string())
        }
        _ => (404, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}).to_string()),
    }
}

#[test]
fn service_accounts_of_kubernetes() {
    let part = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    let named = |name: &str| format!("{part}.{}.{}", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(name));
    let reviewer = named("reviewer");
    let secret = reviewer.clone();
    let server = HttpsServer::start(move |request| kubernetes(request, &secret));
    for program in programs() {
        let agent = start(&program);
        let method = json!({"Name": "k", "Type": "kubernetes", "Config": {"Host": server.url(), "CACert": server.ca(),
            "ServiceAccountJWT": reviewer}});
        put(&agent, "acl/auth-method", &method);
        put(
            &agent,
            "acl/binding-rule",
            &json!({"AuthMethod": "k", "BindType": "service",
            "BindName": "${serviceaccount.name}", "Selector": "serviceaccount.namespace==shop and serviceaccount.uid!=x"}),
        );
        let token = login(&agent, "k", &named("web")).expect("a token");
        assert_eq!(token["ServiceIdentities"][0]["ServiceName"], "frontend");
        for (name, why) in [
            ("user", "lookup failed: unexpected username format"),
            ("old", "lookup failed: [invalid bearer token, Token has expired]"),
            ("nobody", "lookup failed: service account jwt not valid"),
        ] {
            assert_eq!(login(&agent, "k", &named(name)), Err((500, why.to_owned())), "{}", program.path().display());
        }
        // Who may only read sees no secrets of ours.
        if !program.is_oracle {
            put(&agent, "acl/policy", &json!({"Name": "reader", "Rules": "acl = \"read\""}));
            let reader = put(&agent, "acl/token", &json!({"Policies": [{"Name": "reader"}]}));
            let reader = reader["SecretID"].as_str().expect("a secret");
            let (_, seen) = call(&agent, "GET", "acl/auth-method/k", reader, &Value::Null);
            assert!(seen.contains("hidden") && !seen.contains(&reviewer), "{seen}");
        }
    }
}

type Requests = Vec<(&'static str, &'static str, Value)>;

/// Requests about the ACL system that both must answer alike: all but the order of fields.
fn requests() -> Requests {
    let mut all = about_methods();
    all.extend(about_rules());
    all
}

fn about_methods() -> Requests {
    let key = Signer::new().1;
    let config = json!({"JWTValidationPubKeys": [key], "ClaimMappings": {"name": "name"}});
    let with = |name: &str, value: Value| {
        let mut body = json!({"Name": "x", "Type": "jwt", "Config": config});
        match name.strip_prefix("Config.") {
            Some(name) => body["Config"][name] = value,
            None => body[name] = value,
        }
        body
    };
    let method = "acl/auth-method";
    vec![
        ("PUT", method, Value::Null),
        ("PUT", method, json!({})),
        ("PUT", method, with("Name", json!("a b"))),
        ("PUT", method, with("Bogus", json!(1))),
        ("PUT", method, with("Config", json!({}))),
        ("PUT", method, with("TokenLocality", json!("zz"))),
        ("PUT", method, with("MaxTokenTTL", json!("zz"))),
        ("PUT", method, with("MaxTokenTTL", json!("1s"))),
        ("PUT", method, with("MaxTokenTTL", json!("48h"))),
        ("PUT", method, with("MaxTokenTTL", json!("-5m"))),
        ("PUT", method, with("Config.JWTValidationPubKeys", json!(["x"]))),
        ("PUT", method, with("Config.Bogus", json!(1))),
        ("PUT", method, with("Config.JWKSURL", json!("http://127.0.0.1:1"))),
        ("PUT", method, with("Config.JWTSupportedAlgs", json!(["HS256"]))),
        ("PUT", method, with("Config.ClaimMappings", json!({"a": "x", "b": "x"}))),
        ("PUT", method, with("Config.ListClaimMappings", json!({"a": "x", "b": "x"}))),
        ("PUT", method, json!({"Name": "k", "Type": "kubernetes"})),
        ("PUT", method, json!({"Name": "k", "Type": "kubernetes", "Config": {"Host": "https://127.0.0.1:1"}})),
        (
            "PUT",
            method,
            json!({"Name": "k", "Type": "kubernetes", "Config": {"Host": "https://127.0.0.1:1", "CACert": "x"}}),
        ),
        ("PUT", method, with("Name", json!("m"))),
        ("PUT", "acl/auth-method/m", with("Name", json!("other"))),
        ("PUT", method, json!({"Name": "m", "Type": "kubernetes"})),
        ("GET", "acl/auth-method/m", Value::Null),
        ("GET", "acl/auth-methods", Value::Null),
        ("GET", "acl/auth-method/none", Value::Null),
        ("GET", "acl/auth-method/", Value::Null),
        ("DELETE", "acl/auth-method/none", Value::Null),
    ]
}

fn about_rules() -> Requests {
    let rule = |name: &str, value: &str| {
        let mut body = json!({"AuthMethod": "m", "BindType": "service", "BindName": "x"});
        body[name] = json!(value);
        body
    };
    let rules = "acl/binding-rule";
    vec![
        ("PUT", rules, Value::Null),
        ("PUT", rules, json!({})),
        ("PUT", rules, rule("AuthMethod", "none")),
        ("PUT", rules, rule("BindType", "")),
        ("PUT", rules, rule("BindType", "zz")),
        ("PUT", rules, rule("BindName", "")),
        ("PUT", rules, rule("BindName", "a b")),
        ("PUT", rules, rule("BindName", "UP-${value.name}")),
        ("PUT", rules, rule("BindName", "x-${bad}")),
        ("PUT", rules, rule("BindName", "x-${value.none}")),
        ("PUT", rules, rule("BindName", "x-${value.name")),
        ("PUT", rules, rule("BindName", "${}")),
        ("PUT", rules, rule("BindName", "$${value.name}")),
        ("PUT", rules, rule("BindName", "${upper(value.name)}")),
        ("PUT", rules, rule("Selector", "foo")),
        ("PUT", rules, rule("Selector", "foo==a")),
        ("PUT", rules, rule("Selector", "value.any==a")),
        ("PUT", rules, rule("ID", "abc")),
        ("PUT", "acl/binding-rule/11111111-1111-1111-1111-111111111111", rule("ID", "abc")),
        ("GET", "acl/binding-rules?authmethod=m", Value::Null),
        ("GET", "acl/binding-rules?authmethod=none", Value::Null),
        ("GET", "acl/binding-rule/zz", Value::Null),
        ("GET", "acl/binding-rule/11111111-1111-1111-1111-111111111111", Value::Null),
        ("DELETE", "acl/binding-rule/zz", Value::Null),
        ("DELETE", "acl/binding-rule/11111111-1111-1111-1111-111111111111", Value::Null),
        ("POST", "acl/login", Value::Null),
        ("POST", "acl/login", json!({"AuthMethod": "m"})),
        ("POST", "acl/login", json!({"BearerToken": "x"})),
        ("POST", "acl/login", json!({"AuthMethod": "none", "BearerToken": "x"})),
        ("POST", "acl/login", json!({"AuthMethod": "m", "Bogus": "x"})),
        ("PUT", "acl/login", json!({})),
        ("POST", "acl/logout", Value::Null),
        ("DELETE", "acl/auth-method/m", Value::Null),
        ("GET", "acl/binding-rules?authmethod=m", Value::Null),
    ]
}

/// What two answers must agree in.
fn comparable(text: &str) -> Value {
    fn without(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for key in ["ID", "CreateIndex", "ModifyIndex"] {
                    fields.remove(key);
                }
                fields.values_mut().for_each(without);
            }
            Value::Array(items) => items.iter_mut().for_each(without),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    without(&mut value);
    value
}

#[test]
fn methods_and_rules_are_refused_in_the_same_words() {
    let Some(oracle) = Program::oracle() else { return };
    let (ours, theirs) = (start(&Program::ours()), start(&oracle));
    let mut differences = Vec::new();
    for (method, path, body) in requests() {
        let (our_status, our_text) = call(&ours, method, path, ROOT, &body);
        let (their_status, their_text) = call(&theirs, method, path, ROOT, &body);
        // One kind more is known here.
        let our_text = our_text.replace("[jwt kubernetes oidc]", "[jwt kubernetes]");
        if our_status != their_status || comparable(&our_text) != comparable(&their_text) {
            differences
                .push(format!("{method} {path} {body}\n  {our_status} {our_text}\n  {their_status} {their_text}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A provider of OpenID Connect: it gives a token once for each code, to who can show the verifier.
struct Provider {
    signer: Signer,
    url: String,
    /// Code, challenge, nonce.
    logins: Vec<(String, String, String)>,
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                u8::from_str_radix(std::str::from_utf8(&digits).expect("ASCII"), 16).expect("a digit")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn form(text: &str, name: &str) -> String {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    decoded(pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next().unwrap_or_default())
}

impl Provider {
    fn answer(&mut self, request: &Request) -> (u16, String) {
        let url = &self.url;
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                let document = json!({"issuer": url, "jwks_uri": format!("{url}/jwks"),
                    "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token")});
                (200, document.to_string())
            }
            "/jwks" => (200, self.signer.key_set()),
            "/token" => {
                let password = format!("Basic {}", STANDARD.encode("us:p%2Fw"));
                let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form(&request.body, "code_verifier")));
                let code = form(&request.body, "code");
                let at = self.logins.iter().position(|login| login.0 == code && login.1 == challenge);
                match at.filter(|_| request.header("authorization") == password) {
                    Some(at) => {
                        let (_, _, nonce) = self.logins.remove(at);
                        let claims = json!({"iss": url, "aud": "us", "sub": "1", "exp": now() + 60, "nonce": nonce,
                            "name": "ann", "groups": ["eng"]});
                        (200, json!({"access_token": "a", "id_token": self.signer.sign(&claims)}).to_string())
                    }
                    None => (400, json!({"error": "invalid_grant"}).to_string()),
                }
            }
            _ => (404, String::new()),
        }
    }

    /// A person logs in at the URL and is sent back with a code and the state.
    fn log_in(&mut self, url: &str, code: &str) -> String {
        let (to, query) = url.split_once('?').expect("a query");
        assert_eq!(to, format!("{}/authorize", self.url));
        assert_eq!((form(query, "client_id"), form(query, "response_type")), ("us".to_owned(), "code".to_owned()));
        assert_eq!(
            (form(query, "scope"), form(query, "code_challenge_method")),
            ("openid groups".to_owned(), "S256".to_owned())
        );
        self.logins.push((code.to_owned(), form(query, "code_challenge"), form(query, "nonce")));
        form(query, "state")
    }
}

fn provider() -> (HttpsServer, Arc<Mutex<Provider>>) {
    let provider = Arc::new(Mutex::new(Provider { signer: Signer::new(), url: String::new(), logins: Vec::new() }));
    let answers = Arc::clone(&provider);
    let server = HttpsServer::start(move |request| answers.lock().expect("nobody panicked").answer(request));
    provider.lock().expect("nobody panicked").url = server.url();
    (server, provider)
}

fn with_provider(server: &HttpsServer, redirect: &str) -> Agent {
    let agent = start(&Program::ours());
    put(
        &agent,
        "acl/auth-method",
        &json!({"Name": "sso", "Type": "oidc", "MaxTokenTTL": "10m", "Config": {
        "OIDCDiscoveryURL": server.url(), "OIDCDiscoveryCACert": server.ca(), "OIDCClientID": "us",
        "OIDCClientSecret": "p/w", "AllowedRedirectURIs": [redirect], "OIDCScopes": ["groups"],
        "ClaimMappings": {"name": "name"}, "ListClaimMappings": {"groups": "groups"}}}),
    );
    put(
        &agent,
        "acl/binding-rule",
        &json!({"AuthMethod": "sso", "BindType": "service", "BindName": "dev-${value.name}",
        "Selector": "eng in list.groups"}),
    );
    agent
}

#[test]
fn people_log_in_at_a_provider() {
    let (server, provider) = provider();
    let redirect = "http://localhost:8550/oidc/callback";
    let agent = with_provider(&server, redirect);
    let begin = |redirect: &str| {
        let body = json!({"AuthMethod": "sso", "RedirectURI": redirect, "ClientNonce": "mine", "Meta": {"by": "test"}});
        call(&agent, "POST", "acl/oidc/auth-url", "", &body)
    };
    let url = || {
        let (status, text) = begin(redirect);
        assert_eq!(status, 200, "{text}");
        let shown: Value = serde_json::from_str(&text).expect("JSON");
        shown["AuthURL"].as_str().expect("a URL").to_owned()
    };
    let log_in = |code: &str| provider.lock().expect("nobody panicked").log_in(&url(), code);
    let back = |state: &str, code: &str, nonce: &str| {
        let body = json!({"AuthMethod": "sso", "State": state, "Code": code, "ClientNonce": nonce});
        call(&agent, "POST", "acl/oidc/callback", "", &body)
    };
    assert_eq!(begin("http://evil.example/").0, 500, "nobody is sent elsewhere");
    let state = log_in("c1");
    assert_eq!(back(&state, "c1", "other").0, 500, "somebody else's login");
    assert_eq!(back(&format!("{state}x"), "c1", "mine").0, 500, "a state that was not made here");
    assert_eq!(back(&state, "c2", "mine").0, 500, "a code that was not given");
    let (status, token) = back(&state, "c1", "mine");
    assert_eq!(status, 200, "{token}");
    let token: Value = serde_json::from_str(&token).expect("a token");
    assert_eq!(token["ServiceIdentities"][0]["ServiceName"], "dev-ann");
    assert_eq!(token["Description"], r#"token created via login: {"by":"test"}"#);
    assert!(token["ExpirationTime"].is_string());
    assert_eq!(back(&state, "c1", "mine").0, 500, "a code is good once");
    // The code of one login with the state of another: the verifier does not fit.
    let (one, _two) = (log_in("c3"), log_in("c4"));
    assert_eq!(back(&one, "c4", "mine").0, 500);
    // A bearer token is for another kind.
    assert_eq!(login(&agent, "sso", "a.b.c").expect_err("not for machines").0, 500);
}

/// Whether a command succeeded, and all that it wrote.
fn output_of(mut command: Command) -> (bool, String) {
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn the_command_line_logs_in_and_out() {
    let signer = Signer::new();
    let (server, provider) = provider();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let listen = format!("localhost:{port}");
    let agent = with_provider(&server, &format!("http://{listen}/oidc/callback"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let consul = |words: &[&str], token: &str| {
        let mut command = Command::new(Program::ours().path());
        command.args(words).env("CONSUL_HTTP_ADDR", agent.address().port(8500).to_string());
        command.env("CONSUL_HTTP_TOKEN", token).stdin(Stdio::null());
        command
    };
    let run = |words: &[&str], token: &str| output_of(consul(words, token));
    let config = json!({"JWTValidationPubKeys": [signer.1], "ClaimMappings": {"name": "name"}}).to_string();
    let (done, shown) =
        run(&["acl", "auth-method", "create", "-name=j", "-type=jwt", "-config", &config, "-max-token-ttl=5m"], ROOT);
    assert!(
        done && shown
            .starts_with("Name:          j\nType:          jwt\nDescription:   \nMaxTokenTTL:   5m0s\nConfig:\n{\n"),
        "{shown}"
    );
    let (done, shown) = run(
        &["acl", "binding-rule", "create", "-method=j", "-bind-name", "s-${value.name}", "-selector", "value.name!=x"],
        ROOT,
    );
    assert!(
        done && shown
            .ends_with("BindType:     service\nBindName:     s-${value.name}\nSelector:     value.name!=x\n\n"),
        "{shown}"
    );
    std::fs::write(file("bearer"), signer.sign(&json!({"exp": now() + 60, "name": "w"}))).expect("written");
    let (bearer, sink) =
        (format!("-bearer-token-file={}", file("bearer")), format!("-token-sink-file={}", file("sink")));
    assert_eq!(run(&["login", "-method=j", &bearer, &sink, "-meta=a=b"], ""), (true, String::new()));
    let secret = std::fs::read_to_string(file("sink")).expect("the sink");
    assert_eq!(
        (secret.len(), std::fs::metadata(file("sink")).expect("the sink").permissions().mode() & 0o777),
        (36, 0o600)
    );
    assert!(run(&["acl", "token", "read", "-self"], &secret).1.contains("token created via login: {\"a\":\"b\"}"));
    assert_eq!(run(&["logout"], &secret), (true, String::new()));
    let refused = "Error destroying token: Unexpected response code: 403 (ACL not found)\n".to_owned();
    assert_eq!(run(&["logout"], &secret), (false, refused));
    // In a browser.
    let listening = format!("-oidc-callback-listen-addr={listen}");
    let mut child = consul(&["login", "-method=sso", "-type=oidc", &sink, &listening], "")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.contains("https://") {
        line.clear();
        assert_ne!(out.read_line(&mut line).expect("a line"), 0, "it ended without a URL");
    }
    let state = provider.lock().expect("nobody panicked").log_in(line.trim(), "c1");
    let address = std::net::ToSocketAddrs::to_socket_addrs(&*listen)
        .expect("localhost")
        .find(|a| std::net::TcpStream::connect(a).is_ok());
    let answer =
        http::request(address.expect("it listens"), "GET", &format!("/oidc/callback?code=c1&state={state}"), &[], b"");
    assert_eq!(answer.expect("an answer").status, 200);
    assert!(child.wait().expect("it ends").success());
    drop(out.read_to_string(&mut line));
    let secret = std::fs::read_to_string(file("sink")).expect("the sink");
    assert!(run(&["acl", "token", "read", "-self"], &secret).1.contains("dev-ann"));
    for words in [&["acl", "auth-method", "delete", "-name=j"][..], &["acl", "auth-method", "read", "-name=j"]] {
        println!("{}", run(words, ROOT).1);
    }
    assert_eq!(run(&["acl", "binding-rule", "list", "-method=j"], ROOT), (true, "\n".to_owned()));
}
