//! Tokens, policies, roles, binding rules and auth methods. Links are by id, as here; times and fingerprints are bytes.

use std::io;

use model::{
    AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, AclToken, MANAGEMENT_POLICY_ID, format_duration,
};

use super::Fate;
use super::value::Value;
use crate::tables::Draft;

/// A token. One without an accessor is of Consul before 1.4 and was never brought over there; it has no place.
pub(super) fn token(draft: &mut Draft, record: &Value) -> io::Result<Fate> {
    let mut token: AclToken = record.parse_with_bytes(&["CreateTime", "ExpirationTime"])?;
    if token.accessor_id.is_empty() {
        return Ok(Fate::LeftOut);
    }
    token.create_time = record.get("CreateTime").time().unwrap_or_default();
    token.expiration_time = record.get("ExpirationTime").time();
    forget_names(&mut token.policies);
    forget_names(&mut token.roles);
    if record.get("Type").bytes() == b"management" && token.policies.is_empty() {
        token.policies.push(AclLink { id: MANAGEMENT_POLICY_ID.to_owned(), name: String::new() });
    }
    draft.place_token(token);
    Ok(Fate::Taken)
}

pub(super) fn policy(draft: &mut Draft, record: &Value) -> io::Result<()> {
    draft.place_policy(record.parse_with_bytes::<AclPolicy>(&[])?);
    Ok(())
}

pub(super) fn role(draft: &mut Draft, record: &Value) -> io::Result<()> {
    let mut role: AclRole = record.parse_with_bytes(&[])?;
    forget_names(&mut role.policies);
    draft.place_role(role);
    Ok(())
}

pub(super) fn binding_rule(draft: &mut Draft, record: &Value) -> io::Result<()> {
    draft.place_binding_rule(record.parse_with_bytes::<AclBindingRule>(&[])?);
    Ok(())
}

pub(super) fn auth_method(draft: &mut Draft, record: &Value) -> io::Result<()> {
    let mut method: AclAuthMethod = record.parse_with_bytes(&["MaxTokenTTL"])?;
    let nanos = record.get("MaxTokenTTL").number();
    if nanos > 0 {
        method.max_token_ttl = format_duration(std::time::Duration::from_nanos(nanos));
    }
    draft.place_auth_method(method);
    Ok(())
}

/// Names in links are filled in when they are shown; kept ones would grow stale.
fn forget_names(links: &mut [AclLink]) {
    for link in links {
        link.name.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, Value)]) -> Value {
        Value::Map(fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    /// As a server has written them: a token of 2026-11-22, and the time zero.
    const CREATED: &[u8] = b"\x01\0\0\0\x0e\xe2\x95\x39\x2d\x22\xb3\x56\x5d\0\0";
    const ZERO: &[u8] = b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff";

    #[test]
    fn a_token_comes_with_its_links_times_and_fingerprint() {
        let link = map(&[("ID", text("p1")), ("Name", text("old name"))]);
        let mut draft = Draft::default();
        let record = map(&[
            ("AccessorID", text("a1")),
            ("SecretID", text("s1")),
            ("Policies", Value::List(vec![link])),
            ("Roles", Value::Nil),
            ("CreateTime", Value::Bytes(CREATED.to_vec())),
            ("ExpirationTime", Value::Nil),
            ("Hash", Value::Bytes(vec![0xff, 1])),
            ("ModifyIndex", Value::Uint(29)),
        ]);
        assert!(matches!(token(&mut draft, &record).expect("a token"), Fate::Taken));
        let token = draft.tables.acl.secrets.get(b"s1").expect("it is found by its secret");
        assert_eq!(token.policies, [AclLink { id: "p1".to_owned(), name: String::new() }]);
        assert_eq!(token.create_time.to_rfc3339(), "2026-11-22T19:27:41.582178397Z");
        assert_eq!((token.expiration_time, token.modify_index, &*token.hash.0), (None, 29, &[0xff, 1][..]));
    }

    #[test]
    fn tokens_of_the_old_kind_have_their_rights() {
        let mut draft = Draft::default();
        let old = |accessor: &str| {
            map(&[
                ("AccessorID", text(accessor)),
                ("SecretID", text("s1")),
                ("Type", text("management")),
                ("CreateTime", Value::Bytes(ZERO.to_vec())),
            ])
        };
        assert!(matches!(token(&mut draft, &old("")).expect("a record"), Fate::LeftOut));
        token(&mut draft, &old("a1")).expect("a token");
        let token = draft.tables.acl.secrets.get(b"s1").expect("it is found by its secret");
        assert_eq!(token.policies[0].id, MANAGEMENT_POLICY_ID);
        assert_eq!(token.create_time.0, 0);
    }

    #[test]
    fn how_long_tokens_of_a_method_live_is_a_text() {
        let mut draft = Draft::default();
        let record = map(&[
            ("Name", text("k8s")),
            ("Type", text("kubernetes")),
            ("MaxTokenTTL", Value::Uint(90_000_000_000)),
            ("Config", map(&[("Host", text("https://x"))])),
        ]);
        auth_method(&mut draft, &record).expect("a method");
        let method = draft.tables.acl.auth_methods.iter().next().expect("it is there");
        assert_eq!((&*method.max_token_ttl, &*method.kind), ("1m30s", "kubernetes"));
        assert_eq!(method.config["Host"], "https://x");
        assert!(auth_method(&mut draft, &Value::Uint(1)).is_err());
    }
}
