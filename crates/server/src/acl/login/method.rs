//! What an auth method's `Config` says, by its type. Everything is checked when it is written, and nothing in it names a
//! file: certificates and keys are given as PEM texts.

use std::collections::BTreeMap;

use filter::{Kind, Schema};
use jwt::{Algorithm, Expectations, Keys, Mappings, PublicKey, Unverified};
use model::{AclAuthMethod, Json, Token};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

static JWT: Schema = Schema(&[("value", Kind::Map(&Kind::Text)), ("list", Kind::Map(&Kind::Texts))]);
static SERVICE_ACCOUNT: Schema = Schema(&[("namespace", Kind::Text), ("name", Kind::Text), ("uid", Kind::Text)]);
static KUBERNETES: Schema = Schema(&[("serviceaccount", Kind::Struct(&SERVICE_ACCOUNT))]);

/// An auth method that can be used.
#[derive(Clone, Debug)]
pub enum Method {
    /// Tokens of an issuer.
    Jwt(JwtMethod),
    /// People, by a provider of OpenID Connect.
    Oidc(OidcMethod),
    /// Service accounts of Kubernetes.
    Kubernetes(KubernetesMethod),
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Here.
    Static(Keys),
    /// A key set at a URL, with the authorities (PEM) that vouch for who answers there; those of the system when empty.
    Url(String, String),
    /// Behind the discovery document of an issuer.
    Discovery(String, String),
}

/// Tokens of an issuer.
#[derive(Clone, Debug)]
pub struct JwtMethod {
    /// Its keys.
    pub keys: KeySource,
    /// How they may be signed; in any known way when empty.
    pub algorithms: Vec<Algorithm>,
    /// What they must claim.
    pub expected: Expectations,
    /// What rules may speak of.
    pub mappings: Mappings,
}

/// People, by a provider of OpenID Connect.
#[derive(Clone, Debug)]
pub struct OidcMethod {
    /// What its tokens must be.
    pub tokens: JwtMethod,
    /// Who we are for the provider.
    pub client_id: String,
    /// What only we and the provider know; empty for a public client.
    pub client_secret: Token,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// Ways of logging in that are asked for (`acr_values`).
    pub acr_values: Vec<String>,
}

/// Service accounts of Kubernetes.
#[derive(Clone, Debug)]
pub struct KubernetesMethod {
    /// URL of the API server.
    pub host: String,
    /// Authorities (PEM) that vouch for it.
    pub ca: String,
    /// Token of the account that may review tokens.
    pub service_account: Token,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct JwtConfig {
    #[serde(rename = "JWTValidationPubKeys")]
    keys: Option<Vec<String>>,
    #[serde(rename = "JWKSURL")]
    key_set: String,
    #[serde(rename = "JWKSCACert")]
    key_set_ca: String,
    #[serde(rename = "OIDCDiscoveryURL")]
    discovery: String,
    #[serde(rename = "OIDCDiscoveryCACert")]
    discovery_ca: String,
    #[serde(rename = "JWTSupportedAlgs")]
    algorithms: Option<Vec<String>>,
    bound_audiences: Option<Vec<String>>,
    bound_issuer: String,
    claim_mappings: Option<BTreeMap<String, String>>,
    list_claim_mappings: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "seconds")]
    expiration_leeway: i64,
    #[serde(deserialize_with = "seconds")]
    not_before_leeway: i64,
    #[serde(deserialize_with = "seconds")]
    clock_skew_leeway: i64,
    #[serde(rename = "OIDCClientID")]
    client_id: String,
    #[serde(rename = "OIDCClientSecret")]
    client_secret: Token,
    #[serde(rename = "AllowedRedirectURIs")]
    redirect_uris: Option<Vec<String>>,
    #[serde(rename = "OIDCScopes")]
    scopes: Option<Vec<String>>,
    #[serde(rename = "OIDCACRValues")]
    acr_values: Option<Vec<String>>,
}

const KEY_FIELDS: &[&str] = &["JWTValidationPubKeys", "JWKSURL", "JWKSCACert"];
const TOKEN_FIELDS: &[&str] = &[
    "OIDCDiscoveryURL",
    "OIDCDiscoveryCACert",
    "JWTSupportedAlgs",
    "BoundAudiences",
    "BoundIssuer",
    "ClaimMappings",
    "ListClaimMappings",
    "ExpirationLeeway",
    "NotBeforeLeeway",
    "ClockSkewLeeway",
];
const OIDC_FIELDS: &[&str] = &[
    "OIDCClientID",
    "OIDCClientSecret",
    "AllowedRedirectURIs",
    "OIDCScopes",
    "OIDCACRValues",
    // Known to those who come from elsewhere; nothing that is secret is logged here, so it changes nothing.
    "VerboseOIDCLogging",
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct KubernetesConfig {
    host: String,
    #[serde(rename = "CACert")]
    ca: String,
    #[serde(rename = "ServiceAccountJWT")]
    service_account: Token,
}

/// A duration as Go writes it, or nanoseconds; whole seconds of it.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let nanos = match Json::deserialize(deserializer)? {
        Json::Number(nanos) => nanos.as_i64().unwrap_or_default(),
        Json::String(text) => model::parse_nanos(&text).map_err(serde::de::Error::custom)?,
        _ => 0,
    };
    // Less than a second is not nothing, which would mean the default.
    Ok(if nanos > 0 { (nanos / 1_000_000_000).max(1) } else { nanos.signum() })
}

fn decode<T: DeserializeOwned + Default>(config: &Json, known: &[&[&str]]) -> Result<T, String> {
    let wrong = |why: String| format!("Invalid Auth Method: error decoding config: 1 error(s) decoding:\n\n* {why}");
    if config.is_null() {
        return Ok(T::default());
    }
    let fields = config.as_object().ok_or_else(|| wrong("it is not an object".to_owned()))?;
    let is_known = |name: &String| known.iter().any(|names| names.contains(&name.as_str()));
    let unknown: Vec<&str> = fields.keys().filter(|name| !is_known(name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(wrong(format!("'' has invalid keys: {}", unknown.join(", "))));
    }
    T::deserialize(config).map_err(|error| wrong(error.to_string()))
}

fn invalid(why: impl std::fmt::Display) -> String {
    format!("Invalid Auth Method: {why}")
}

impl Method {
    /// What an auth method says.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub fn parse(method: &AclAuthMethod) -> Result<Self, String> {
        match method.kind.as_str() {
            "jwt" => {
                let config: JwtConfig = decode(&method.config, &[KEY_FIELDS, TOKEN_FIELDS])?;
                Ok(Self::Jwt(jwt_method(&config)?))
            }
            "oidc" => oidc_method(&decode(&method.config, &[TOKEN_FIELDS, OIDC_FIELDS])?),
            "kubernetes" => kubernetes_method(decode(&method.config, &[&["Host", "CACert", "ServiceAccountJWT"]])?),
            _ => Err("Invalid Auth Method: Type should be one of: [jwt kubernetes oidc]".to_owned()),
        }
    }

    /// What selectors of its binding rules may speak of.
    #[must_use]
    pub fn schema(&self) -> &'static Schema {
        match self {
            Self::Jwt(_) | Self::Oidc(_) => &JWT,
            Self::Kubernetes(_) => &KUBERNETES,
        }
    }

    /// Whether names of its binding rules may speak of a variable.
    #[must_use]
    pub fn has_variable(&self, name: &str) -> bool {
        match self {
            Self::Jwt(jwt) | Self::Oidc(OidcMethod { tokens: jwt, .. }) => name
                .strip_prefix("value.")
                .is_some_and(|name| jwt.mappings.values.values().any(|mapped| mapped == name)),
            Self::Kubernetes(_) => name
                .strip_prefix("serviceaccount.")
                .is_some_and(|name| SERVICE_ACCOUNT.0.iter().any(|(field, _)| *field == name)),
        }
    }
}

fn jwt_method(config: &JwtConfig) -> Result<JwtMethod, String> {
    let pems = config.keys.as_deref().unwrap_or_default();
    let keys = match (pems, &*config.key_set, &*config.discovery) {
        ([_, ..], "", "") => {
            let read = |(at, pem): (usize, &String)| {
                PublicKey::from_pem(pem)
                    .map_err(|error| invalid(format!("error parsing public key JWTValidationPubKeys[{at}]: {error}")))
            };
            KeySource::Static(Keys::unnamed(pems.iter().enumerate().map(read).collect::<Result<_, _>>()?))
        }
        ([], url, "") if !url.is_empty() => KeySource::Url(url.to_owned(), config.key_set_ca.clone()),
        ([], "", issuer) if !issuer.is_empty() => KeySource::Discovery(issuer.to_owned(), config.discovery_ca.clone()),
        _ => {
            return Err(invalid(
                "exactly one of 'JWTValidationPubKeys', 'JWKSURL', or 'OIDCDiscoveryURL' must be set for type \"jwt\"",
            ));
        }
    };
    let named = config.algorithms.iter().flatten();
    let algorithms = named
        .map(|name| Algorithm::parse(name).ok_or_else(|| invalid(format!("Invalid supported algorithm: {name}"))))
        .collect::<Result<_, _>>()?;
    let mappings = Mappings {
        values: config.claim_mappings.clone().unwrap_or_default(),
        lists: config.list_claim_mappings.clone().unwrap_or_default(),
    };
    mappings.check().map_err(invalid)?;
    Ok(JwtMethod {
        keys,
        algorithms,
        expected: Expectations {
            issuer: config.bound_issuer.clone(),
            audiences: config.bound_audiences.clone().unwrap_or_default(),
            expiration_leeway: config.expiration_leeway,
            not_before_leeway: config.not_before_leeway,
            clock_skew: config.clock_skew_leeway,
        },
        mappings,
    })
}

fn oidc_method(config: &JwtConfig) -> Result<Method, String> {
    if config.discovery.is_empty() {
        return Err(invalid("'OIDCDiscoveryURL' must be set for type \"oidc\""));
    }
    if config.client_id.is_empty() {
        return Err(invalid("'OIDCClientID' must be set for type \"oidc\""));
    }
    if config.client_secret.secret() == super::super::HIDDEN {
        return Err(invalid("'OIDCClientSecret' is a redacted secret: give the real one"));
    }
    let redirect_uris = config.redirect_uris.clone().unwrap_or_default();
    if redirect_uris.is_empty() {
        return Err(invalid("'AllowedRedirectURIs' must be set for type \"oidc\""));
    }
    let mut tokens = jwt_method(config)?;
    // Tokens that a provider makes at a login are for who asked for the login.
    tokens.expected.audiences.push(config.client_id.clone());
    Ok(Method::Oidc(OidcMethod {
        tokens,
        client_id: config.client_id.clone(),
        client_secret: config.client_secret.clone(),
        redirect_uris,
        scopes: config.scopes.clone().unwrap_or_default(),
        acr_values: config.acr_values.clone().unwrap_or_default(),
    }))
}

fn kubernetes_method(config: KubernetesConfig) -> Result<Method, String> {
    let (ca, token) = (&config.ca, config.service_account.secret());
    if config.host.is_empty() {
        return Err(invalid("Config.Host is required"));
    }
    if ca.is_empty() {
        return Err(invalid("Config.CACert is required"));
    }
    if !ca.contains("-----BEGIN CERTIFICATE-----") {
        let why = "error parsing kubernetes ca cert: data does not contain any valid RSA or ECDSA certificates";
        return Err(invalid(why));
    }
    if token.is_empty() {
        return Err(invalid("Config.ServiceAccountJWT is required"));
    }
    Unverified::parse(token)
        .map_err(|error| invalid(format!("Config.ServiceAccountJWT is not a valid JWT: {error}")))?;
    Ok(Method::Kubernetes(KubernetesMethod {
        host: config.host.trim_end_matches('/').to_owned(),
        ca: config.ca,
        service_account: config.service_account,
    }))
}
