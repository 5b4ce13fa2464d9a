//! Rules that are built in: the policy of all rights, and those that identities stand for.

/// Rules of the policy `global-management`, byte for byte as Consul's clients know them.
pub const MANAGEMENT_RULES: &str = "\nacl = \"write\"\nagent_prefix \"\" {\n\tpolicy = \"write\"\n}\nevent_prefix \"\" {\n\t\
policy = \"write\"\n}\nkey_prefix \"\" {\n\tpolicy = \"write\"\n}\nkeyring = \"write\"\nnode_prefix \"\" {\n\tpolicy = \
\"write\"\n}\noperator = \"write\"\nquery_prefix \"\" {\n\tpolicy = \"write\"\n}\nservice_prefix \"\" {\n\tpolicy = \
\"write\"\n\tintentions = \"write\"\n}\nsession_prefix \"\" {\n\tpolicy = \"write\"\n}";

/// Rules of a service identity: the service and its sidecar, and reading what there is.
#[must_use]
pub fn service_identity_rules(service: &str) -> String {
    format!(
        "service {service:?} {{ policy = \"write\" }}\nservice \"{service}-sidecar-proxy\" {{ policy = \"write\" }}\n\
         service_prefix \"\" {{ policy = \"read\" }}\nnode_prefix \"\" {{ policy = \"read\" }}\n"
    )
}

/// Rules of a node identity: the node, and reading services.
#[must_use]
pub fn node_identity_rules(node: &str) -> String {
    format!("node {node:?} {{ policy = \"write\" }}\nservice_prefix \"\" {{ policy = \"read\" }}\n")
}

/// Rules of the agent's recovery (master) token: the agent itself, and reading nodes.
#[must_use]
pub fn agent_recovery_rules(node: &str) -> String {
    format!("agent {node:?} {{ policy = \"write\" }}\nnode_prefix \"\" {{ policy = \"read\" }}\n")
}

#[cfg(test)]
mod tests {
    use crate::{Rules, Syntax};

    #[test]
    fn all_of_them_are_rules() {
        for text in [
            super::MANAGEMENT_RULES.to_owned(),
            super::service_identity_rules("web"),
            super::node_identity_rules("n"),
            super::agent_recovery_rules("n"),
        ] {
            let rules = Rules::parse(&text, Syntax::Current).expect("built in rules");
            assert!(rules.named.len() >= 2);
        }
    }
}
