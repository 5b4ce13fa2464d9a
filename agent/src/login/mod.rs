//! Finding out who logs in: tokens of issuers, service accounts of Kubernetes, people at a provider of OpenID Connect.
//!
//! Only the leader does this, before anything is written to the log. All of it has one deadline and a bound on how many
//! do it at once: whoever asks has no token yet.

mod fetch;
mod issuer;
mod kubernetes;
mod oidc;
mod sealed;

use std::collections::BTreeMap;
use std::time::Duration;

use jwt::Unverified;
use model::{AclAuthMethod, Json, Token};
use serde_json::json;
use server::acl::login::{JwtMethod, KeySource};
use server::acl::{Identity, Login, Method};
use server::request::{ErrorKind, RequestError};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use issuer::Issuers;

/// Time for one login, with all that is fetched for it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Logins at once; more wait, within their deadline.
const AT_ONCE_MAX: usize = 32;

/// What came of a request.
pub enum Found {
    /// An identity, and what its token is to say of the login.
    Identity(Identity, BTreeMap<String, String>),
    /// An answer; there is no token yet.
    Answer(Json),
}

/// Logins of one server.
pub struct Logins {
    issuers: Issuers,
    slots: Semaphore,
}

impl Default for Logins {
    fn default() -> Self {
        Self { issuers: Issuers::default(), slots: Semaphore::new(AT_ONCE_MAX) }
    }
}

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}

/// Within the deadline and the bound.
async fn bounded<T>(slots: &Semaphore, work: impl Future<Output = Result<T, String>>) -> Result<T, RequestError> {
    let work = async {
        let _slot = slots.acquire().await.map_err(|error| error.to_string())?;
        work.await
    };
    let timed_out = |_| Err(format!("context deadline exceeded: it took longer than {} s", DEADLINE.as_secs()));
    timeout(DEADLINE, work).await.unwrap_or_else(timed_out).map_err(failed)
}

impl Logins {
    /// Finds out who logs in. `secret` is what servers share; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// Why the identity is not believed, or cannot be found out.
    pub async fn find(
        &self,
        method: &AclAuthMethod,
        login: &Login,
        secret: &Token,
        now: i64,
    ) -> Result<Found, RequestError> {
        let kind = Method::parse(method).map_err(failed)?;
        bounded(&self.slots, async {
            match (login, &kind) {
                (Login::Bearer { bearer, meta, .. }, Method::Jwt(jwt)) => {
                    let claims = self.issuers.verified(jwt, bearer.secret(), now).await?;
                    let mapped = jwt.mappings.apply(&claims).map_err(|error| error.to_string())?;
                    Ok(Found::Identity(mapped.into(), meta.clone()))
                }
                (Login::Bearer { bearer, meta, .. }, Method::Kubernetes(kubernetes)) => {
                    Ok(Found::Identity(kubernetes::review(kubernetes, bearer).await?, meta.clone()))
                }
                (Login::Bearer { .. }, Method::Oidc(_)) => {
                    Err("an auth method of type \"oidc\" is for people: use -type=oidc".to_owned())
                }
                (Login::OidcUrl { redirect_uri, client_nonce, meta, .. }, Method::Oidc(oidc)) => {
                    let asked = oidc::Asked { auth_method: &method.name, redirect_uri, client_nonce, meta };
                    let url = oidc::url(&self.issuers, oidc, &asked, secret, now).await?;
                    Ok(Found::Answer(json!({"AuthURL": url})))
                }
                (Login::OidcCallback { state, code, client_nonce, .. }, Method::Oidc(oidc)) => {
                    let back = oidc::Back { auth_method: &method.name, state, code, client_nonce };
                    let (identity, meta) = oidc::callback(&self.issuers, oidc, &back, secret, now).await?;
                    Ok(Found::Identity(identity, meta))
                }
                (Login::OidcUrl { .. } | Login::OidcCallback { .. }, Method::Jwt(_) | Method::Kubernetes(_)) => {
                    Err(format!("auth method {:?} is of type {:?}, not \"oidc\"", method.name, method.kind))
                }
            }
        })
        .await
    }

    /// Fetches what a method needs from its issuer, so that a wrong address is found when it is set and not at a login.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self, method: &AclAuthMethod) -> Result<(), RequestError> {
        let tokens = match Method::parse(method) {
            Ok(Method::Jwt(tokens)) => tokens,
            Ok(Method::Oidc(oidc)) => oidc.tokens,
            // Other checks say what is wrong with it.
            Ok(Method::Kubernetes(_)) | Err(_) => return Ok(()),
        };
        bounded(&self.slots, async { self.check_source(&tokens).await }).await
    }

    async fn check_source(&self, tokens: &JwtMethod) -> Result<(), String> {
        let what = match &tokens.keys {
            KeySource::Static(_) => return Ok(()),
            KeySource::Url(_, ca) => (!ca.is_empty()).then_some(("JWKSCACert", ca, "JWKSURL")).ok_or("JWKSURL"),
            KeySource::Discovery(_, ca) => {
                (!ca.is_empty()).then_some(("OIDCDiscoveryCACert", ca, "OIDCDiscoveryURL")).ok_or("OIDCDiscoveryURL")
            }
        };
        let what = match what {
            Ok((field, ca, what)) => {
                fetch::authorities(ca)
                    .map_err(|error| format!("Invalid Auth Method: error checking {field}: {error}"))?;
                what
            }
            Err(what) => what,
        };
        let fetched = self.issuers.keys(&tokens.keys, issuer::Age::Now).await;
        fetched.map(drop).map_err(|error| format!("Invalid Auth Method: error checking {what}: {error}"))
    }
}

/// Reads a token before anything is fetched for it.
fn read(bearer: &str) -> Result<Unverified, String> {
    Unverified::parse(bearer).map_err(|error| error.to_string())
}
