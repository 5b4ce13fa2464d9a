//! People who log in at a provider of OpenID Connect: the URL to send them to, and what they come back with. Codes are
//! bound to who asked by PKCE (RFC 7636), a nonce in the token, and a nonce of the client.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Token;
use server::acl::Identity;
use server::acl::login::OidcMethod;
use sha2::{Digest as _, Sha256};

use super::fetch::{self, Credential, Sent};
use super::issuer::{Age, Issuers};
use super::sealed::{self, Begun};

/// Seconds that a person has to log in.
const TIME_TO_LOG_IN: i64 = 600;

/// A login that begins.
pub struct Asked<'a> {
    /// By which auth method.
    pub auth_method: &'a str,
    /// Where the provider is to send the person back to.
    pub redirect_uri: &'a str,
    /// What the client has made up for this login.
    pub client_nonce: &'a str,
    /// What the token is to say of the login.
    pub meta: &'a BTreeMap<String, String>,
}

/// A person who comes back.
pub struct Back<'a> {
    /// By which auth method.
    pub auth_method: &'a str,
    /// As it was in the URL.
    pub state: &'a str,
    /// For which the provider gives a token.
    pub code: &'a Token,
    /// What the client has made up for this login.
    pub client_nonce: &'a str,
}

/// Where to send a person.
pub async fn url(
    issuers: &Issuers,
    method: &OidcMethod,
    asked: &Asked<'_>,
    secret: &Token,
    now: i64,
) -> Result<String, String> {
    if !method.redirect_uris.iter().any(|allowed| allowed == asked.redirect_uri) {
        return Err(format!("unauthorized redirect_uri: {}", asked.redirect_uri));
    }
    let provider = issuers.keys(&method.tokens.keys, Age::Kept).await?;
    let begun = Begun {
        id: uuid::Uuid::new_v4().to_string(),
        auth_method: asked.auth_method.to_owned(),
        redirect_uri: asked.redirect_uri.to_owned(),
        until: now + TIME_TO_LOG_IN,
        client: sealed::fingerprint(secret, asked.client_nonce),
        meta: asked.meta.clone(),
    };
    let verifier = sealed::derived(secret, "verifier", &begun);
    let scope = ["openid"].into_iter().chain(method.scopes.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let acr_values = method.acr_values.join(" ");
    let mut fields = vec![
        ("response_type", "code".to_owned()),
        ("client_id", method.client_id.clone()),
        ("redirect_uri", begun.redirect_uri.clone()),
        ("scope", scope),
        ("state", sealed::seal(secret, &begun)?),
        ("nonce", sealed::derived(secret, "nonce", &begun)),
        ("code_challenge", URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))),
        ("code_challenge_method", "S256".to_owned()),
    ];
    if !acr_values.is_empty() {
        fields.push(("acr_values", acr_values));
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let endpoint = &provider.authorization_endpoint;
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    Ok(format!("{endpoint}{separator}{}", fetch::form(&fields)))
}

/// Who has come back.
pub async fn callback(
    issuers: &Issuers,
    method: &OidcMethod,
    back: &Back<'_>,
    secret: &Token,
    now: i64,
) -> Result<(Identity, BTreeMap<String, String>), String> {
    let begun = sealed::open(secret, back.state)
        .filter(|begun| begun.auth_method == back.auth_method && begun.until >= now)
        .ok_or("expired or missing OAuth state: begin the login again")?;
    if sealed::fingerprint(secret, back.client_nonce) != begun.client {
        return Err("the client nonce is not the one that the login began with".to_owned());
    }
    let provider = issuers.keys(&method.tokens.keys, Age::Kept).await?;
    let verifier = sealed::derived(secret, "verifier", &begun);
    let form = fetch::form(&[
        ("grant_type", "authorization_code"),
        ("code", back.code.secret()),
        ("redirect_uri", &begun.redirect_uri),
        ("code_verifier", &verifier),
        ("client_id", &method.client_id),
    ]);
    let credential = match method.client_secret.secret() {
        "" => Credential::None,
        password => Credential::Basic(&method.client_id, password),
    };
    let ca = match &method.tokens.keys {
        server::acl::login::KeySource::Discovery(_, ca) | server::acl::login::KeySource::Url(_, ca) => ca,
        server::acl::login::KeySource::Static(_) => "",
    };
    let answer = fetch::json(&provider.token_endpoint, ca, credential, Sent::Form(form)).await;
    let answer = answer.map_err(|error| format!("error exchanging oidc code: {error}"))?;
    let token = answer["id_token"].as_str().ok_or("no id_token found in response")?;
    let claims = issuers.verified(&method.tokens, token, now).await?;
    if claims["nonce"].as_str() != Some(&*sealed::derived(secret, "nonce", &begun)) {
        return Err("invalid ID token nonce".to_owned());
    }
    let mapped = method.tokens.mappings.apply(&claims).map_err(|error| error.to_string())?;
    Ok((mapped.into(), begun.meta))
}
