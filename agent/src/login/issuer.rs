//! Issuers of tokens: their keys and documents, kept for a while, and fetched anew when a token names a key that is not
//! among them, but not more often than now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwt::{JwtError, Keys, check_claims};
use model::Json;
use server::acl::login::{JwtMethod, KeySource};
use tokio::time::Instant;

use super::fetch::{self, Credential, Sent};
use super::read;

/// How long keys are used before they are fetched anew.
const KEPT: Duration = Duration::from_secs(600);
/// Keys are not fetched again before this, whatever tokens come.
const KEPT_AT_LEAST: Duration = Duration::from_secs(2);
/// Issuers that are remembered.
const ISSUERS_MAX: usize = 64;

/// How old what is kept may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It must be fetched.
    Now,
    /// As new as is reasonable: a token did not fit.
    Fresh,
    /// Any that is kept.
    Kept,
}

impl Age {
    fn longest(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Fresh => KEPT_AT_LEAST,
            Self::Kept => KEPT,
        }
    }
}

/// What is known of an issuer.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its keys.
    pub keys: Keys,
    /// What it calls itself; empty where only its keys are known.
    pub issuer: String,
    /// Where people log in.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
}

type Place = (String, String);

/// Issuers by URL and authorities.
#[derive(Default)]
pub struct Issuers(Mutex<HashMap<Place, (Instant, Arc<Known>)>>);

impl Issuers {
    /// The claims of a token that is good now (`now` in seconds since 1970).
    pub async fn verified(&self, method: &JwtMethod, bearer: &str, now: i64) -> Result<Json, String> {
        let token = read(bearer)?;
        let mut known = self.keys(&method.keys, Age::Kept).await?;
        let mut verified = known.keys.verify(&token, &method.algorithms);
        if verified == Err(JwtError::Signature) && !matches!(method.keys, KeySource::Static(_)) {
            known = self.keys(&method.keys, Age::Fresh).await?;
            verified = known.keys.verify(&token, &method.algorithms);
        }
        let claims = verified.map_err(|error| error.to_string())?;
        let mut expected = method.expected.clone();
        if expected.issuer.is_empty() {
            expected.issuer.clone_from(&known.issuer);
        }
        check_claims(claims, &expected, now).map_err(|error| error.to_string())?;
        Ok(claims.clone())
    }

    /// What is known of who signs.
    pub async fn keys(&self, source: &KeySource, age: Age) -> Result<Arc<Known>, String> {
        let place = match source {
            KeySource::Static(keys) => return Ok(Arc::new(Known { keys: keys.clone(), ..Known::default() })),
            KeySource::Url(url, ca) | KeySource::Discovery(url, ca) => (url.clone(), ca.clone()),
        };
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if let Some((since, known)) = kept
            && since.elapsed() < age.longest()
        {
            return Ok(known);
        }
        let known = Arc::new(match source {
            KeySource::Static(_) => Known::default(),
            KeySource::Url(url, ca) => Known { keys: key_set(url, ca).await?, ..Known::default() },
            KeySource::Discovery(url, ca) => discover(url, ca).await?,
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ISSUERS_MAX && !all.contains_key(&place) {
            all.clear();
        }
        all.insert(place, (Instant::now(), Arc::clone(&known)));
        Ok(known)
    }
}

async fn key_set(url: &str, ca: &str) -> Result<Keys, String> {
    let set = fetch::json(url, ca, Credential::None, Sent::Nothing).await?;
    Keys::from_jwks(set.to_string().as_bytes()).map_err(|error| error.to_string())
}

async fn discover(issuer: &str, ca: &str) -> Result<Known, String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = fetch::json(&url, ca, Credential::None, Sent::Nothing).await?;
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let says = text("issuer");
    if says != issuer {
        return Err(format!(
            "oidc: issuer did not match the issuer returned by provider, expected {issuer:?} got {says:?}"
        ));
    }
    Ok(Known {
        keys: key_set(&text("jwks_uri"), ca).await?,
        issuer: says,
        authorization_endpoint: text("authorization_endpoint"),
        token_endpoint: text("token_endpoint"),
    })
}
