//! Service accounts of Kubernetes: its API server says whose a token is.

use model::{Json, Token};
use serde_json::json;
use server::acl::Identity;
use server::acl::login::KubernetesMethod;

use super::fetch::{self, Credential, Sent};
use super::read;

/// Annotation of a service account that gives its service another name.
const SERVICE_NAME: &str = "consul.hashicorp.com/service-name";

/// Asks whose a token is.
///
/// # Errors
/// When it is nobody's, not a service account's, or the API server does not answer.
pub async fn review(method: &KubernetesMethod, bearer: &Token) -> Result<Identity, String> {
    read(bearer.secret())?;
    let credential = || Credential::Bearer(method.service_account.secret());
    let url = format!("{}/apis/authentication.k8s.io/v1/tokenreviews", method.host);
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": bearer.secret()},
    });
    let answer = fetch::json(&url, &method.ca, credential(), Sent::Json(body.to_string())).await?;
    let (namespace, name, uid) = account(&answer["status"])?;
    let url = format!("{}/api/v1/namespaces/{namespace}/serviceaccounts/{name}", method.host);
    let object = fetch::json(&url, &method.ca, credential(), Sent::Nothing).await?;
    let annotated = object["metadata"]["annotations"][SERVICE_NAME].as_str().filter(|name| !name.is_empty());
    Ok(Identity::service_account(namespace, annotated.unwrap_or(name), uid))
}

/// Namespace, name and UID of who is meant.
fn account(status: &Json) -> Result<(&str, &str, &str), String> {
    if let Some(error) = status["error"].as_str().filter(|error| !error.is_empty()) {
        return Err(format!("lookup failed: {error}"));
    }
    if status["authenticated"] != true {
        return Err("lookup failed: service account jwt not valid".to_owned());
    }
    let user = &status["user"];
    let parts: Vec<&str> = user["username"].as_str().unwrap_or_default().split(':').collect();
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    match parts.as_slice() {
        ["system", "serviceaccount", namespace, name] if fits(namespace) && fits(name) => {
            Ok((namespace, name, user["uid"].as_str().unwrap_or_default()))
        }
        _ => Err("lookup failed: unexpected username format".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_accounts_that_are_known_are_taken() {
        let user = |name: &str| json!({"authenticated": true, "user": {"username": name, "uid": "u"}});
        assert_eq!(account(&user("system:serviceaccount:default:web")), Ok(("default", "web", "u")));
        for name in [
            "admin",
            "system:node:a:b",
            "system:serviceaccount:a",
            "system:serviceaccount:a:b:c",
            "system:serviceaccount::b",
            "system:serviceaccount:../x:b",
        ] {
            assert!(account(&user(name)).is_err(), "{name}");
        }
        assert!(account(&json!({"authenticated": false, "user": {"username": "system:serviceaccount:a:b"}})).is_err());
        assert_eq!(account(&json!({"error": "no"})), Err("lookup failed: no".to_owned()));
        assert!(account(&Json::Null).is_err());
    }
}
