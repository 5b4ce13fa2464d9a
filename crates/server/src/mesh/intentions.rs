//! Intentions: what one must be, which ones match, and what they decide.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filter::Filter;
use md5::{Digest as _, Md5};
use model::{DEFAULT_NAMESPACE, Intention, IntentionSide, Json, WILDCARD};
use serde_json::json;
use state::View;

use super::SharedIntention;
use super::request::IntentionCheck;
use crate::acl::Caller;
use crate::acl::mesh::allows_by_default;
use crate::filter_rows::IntentionRow;

/// All intentions, the most exact first.
pub(super) fn sorted(view: &View, filter: Option<&Filter>) -> Vec<SharedIntention> {
    let wanted = |intention: &&SharedIntention| filter.is_none_or(|filter| filter.matches(&IntentionRow(intention)));
    let mut all: Vec<_> = view.intentions().filter(wanted).cloned().collect();
    all.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    all
}

/// The intentions that cover a service at one end, the most exact first.
pub(super) fn matching(view: &View, side: IntentionSide, namespace: &str, name: &str) -> Vec<SharedIntention> {
    let mut found = sorted(view, None);
    found.retain(|intention| intention.covers(side, namespace, name));
    found
}

/// `{"Allowed": ...}` with the intention that decided, if one did.
pub(super) fn check(view: &View, caller: &Caller, check: &IntentionCheck) -> Json {
    let (source, destination) = (&check.source, &check.destination);
    let candidates = matching(view, IntentionSide::Destination, &destination.0, &destination.1);
    match candidates.iter().find(|it| it.covers(IntentionSide::Source, &source.0, &source.1)) {
        Some(decisive) => json!({"Allowed": decisive.allows(), "Decisive": decisive.summary()}),
        None => json!({"Allowed": allows_by_default(caller), "ByRules": caller.scope() != 0}),
    }
}

/// Namespace and name of `[namespace/]name`.
pub(super) fn split_name(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('/') {
        None => Ok((DEFAULT_NAMESPACE, text)),
        Some((_, name)) if name.contains('/') => {
            Err(format!("name \"{text}\" is invalid: input can contain at most one '/'"))
        }
        Some(parts) => Ok(parts),
    }
}

/// The intention with everything that follows from what is given.
pub(super) fn checked(view: &View, given: &Intention, existing: Option<&SharedIntention>) -> Result<Intention, String> {
    let mut intention = given.clone();
    for namespace in [&mut intention.source_ns, &mut intention.destination_ns] {
        if namespace.is_empty() {
            DEFAULT_NAMESPACE.clone_into(namespace);
        }
    }
    if intention.source_type.is_empty() {
        "consul".clone_into(&mut intention.source_type);
    }
    if let Some(existing) = existing {
        intention.created_at.clone_from(&existing.created_at);
    }
    let problems = problems(&intention);
    if !problems.is_empty() {
        let noun = if problems.len() == 1 { "error" } else { "errors" };
        return Err(format!("{} {noun} occurred:\n\t* {}\n\n", problems.len(), problems.join("\n\t* ")));
    }
    let same_ends = |other: &&SharedIntention| other.id != intention.id && other.has_same_ends(&intention);
    if let Some(other) = view.intentions().find(same_ends) {
        return Err(format!("duplicate intention found: {}", other.summary()));
    }
    intention.precedence = intention.computed_precedence();
    intention.hash = digest(&intention);
    Ok(intention)
}

fn problems(intention: &Intention) -> Vec<String> {
    let mut problems = Vec::new();
    let ends =
        [("Source", intention.end(IntentionSide::Source)), ("Destination", intention.end(IntentionSide::Destination))];
    for (end, (_, name)) in ends {
        if name.is_empty() {
            problems.push(format!("{end}Name must be set"));
        }
    }
    for (end, (namespace, name)) in ends {
        let is_partial = |text: &str| text != WILDCARD && text.contains(WILDCARD);
        for (field, text) in [("NS", namespace), ("Name", name)] {
            if is_partial(text) {
                problems.push(format!("{end}{field}: wildcard character '*' cannot be used with partial values"));
            }
        }
        if namespace == WILDCARD && name != WILDCARD && !name.is_empty() {
            problems.push(format!("{end}Name: exact value cannot follow wildcard namespace"));
        }
    }
    if !matches!(intention.action.as_str(), "allow" | "deny") {
        problems.push("Action must be set to 'allow' or 'deny'".to_owned());
    }
    if intention.source_type != "consul" {
        problems.push("SourceType must be set to 'consul'".to_owned());
    }
    problems
}

/// A digest of what the intention says, for clients that compare.
fn digest(intention: &Intention) -> String {
    let content = Intention {
        hash: String::new(),
        updated_at: String::new(),
        create_index: 0,
        modify_index: 0,
        ..intention.clone()
    };
    STANDARD.encode(Md5::digest(serde_json::to_vec(&content).unwrap_or_default()))
}
