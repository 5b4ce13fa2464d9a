//! What several policies together allow.
//!
//! A rule for exactly the name counts before those for prefixes, the longest prefix before shorter ones; of rules for the
//! same name the strongest counts. Where no rule speaks the default does.

use std::collections::HashMap;

use crate::access::{Access, Default, Level, Resource};
use crate::rules::Rules;

/// Where a decision comes from, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rule that decided, as it would stand in a policy; `None` when it was the default.
    pub rule: Option<String>,
    /// Which of the policies has that rule.
    pub policy: Option<usize>,
}

/// What is granted and by which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grant {
    access: Access,
    policy: usize,
}

impl Grant {
    fn stronger(self, other: Self) -> Self {
        if self.access.stronger(other.access) == self.access { self } else { other }
    }
}

/// The rules for the names of one resource.
#[derive(Clone, Debug, std::default::Default)]
struct Names {
    exact: HashMap<Box<[u8]>, Grant>,
    prefixes: HashMap<Box<[u8]>, Grant>,
    /// The lengths of the prefixes, longest first.
    lengths: Vec<usize>,
}

impl Names {
    fn add(&mut self, is_prefix: bool, name: &[u8], grant: Grant) {
        let names = if is_prefix { &mut self.prefixes } else { &mut self.exact };
        names.entry(name.into()).and_modify(|old| *old = old.stronger(grant)).or_insert(grant);
        if is_prefix && let Err(at) = self.lengths.binary_search_by(|length| name.len().cmp(length)) {
            self.lengths.insert(at, name.len());
        }
    }

    /// The rule that counts for a name: whether it is for a prefix, the name that it has, and what it grants.
    fn find<'a>(&self, name: &'a [u8]) -> Option<(bool, &'a [u8], Grant)> {
        if let Some(grant) = self.exact.get(name) {
            return Some((false, name, *grant));
        }
        self.find_prefix(name)
    }

    fn find_prefix<'a>(&self, name: &'a [u8]) -> Option<(bool, &'a [u8], Grant)> {
        let prefixes = self.lengths.iter().filter_map(|length| name.get(..*length));
        prefixes.into_iter().find_map(|prefix| self.prefixes.get(prefix).map(|grant| (true, prefix, *grant)))
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], Grant)> {
        self.exact.iter().chain(&self.prefixes).map(|(name, grant)| (&**name, *grant))
    }
}

/// What the policies of a token allow. Never changes; made anew when a policy does.
#[derive(Clone, Debug)]
pub struct Authorizer {
    default: Default,
    whole: HashMap<Resource, Grant>,
    named: HashMap<Resource, Names>,
}

impl Authorizer {
    /// What the policies allow together.
    #[must_use]
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Rules>, default: Default) -> Self {
        let mut authorizer = Self { default, whole: HashMap::new(), named: HashMap::new() };
        // Rules for intentions that are written out; merged before the missing ones are derived.
        let mut intentions = Names::default();
        for (policy, rules) in policies.into_iter().enumerate() {
            for (resource, access) in
                [(Resource::Acl, rules.acl), (Resource::Keyring, rules.keyring), (Resource::Operator, rules.operator)]
            {
                let Some(access) = access else { continue };
                let grant = Grant { access, policy };
                authorizer.whole.entry(resource).and_modify(|old| *old = old.stronger(grant)).or_insert(grant);
            }
            for rule in &rules.named {
                let name = rule.name.as_bytes();
                let grant = Grant { access: rule.access, policy };
                authorizer.named.entry(rule.resource).or_default().add(rule.is_prefix, name, grant);
                if let Some(access) = rule.intentions {
                    intentions.add(rule.is_prefix, name, Grant { access, policy });
                }
            }
        }
        authorizer.derive_intentions(intentions);
        authorizer
    }

    /// Who may read or write a service may read its intentions, unless the rule says something else.
    fn derive_intentions(&mut self, mut intentions: Names) {
        let Some(services) = self.named.get(&Resource::Service) else { return };
        for (is_prefix, names) in [(false, &services.exact), (true, &services.prefixes)] {
            for (name, grant) in names {
                let written = if is_prefix { &intentions.prefixes } else { &intentions.exact };
                if !written.contains_key(name) {
                    let access = if grant.access == Access::Deny { Access::Deny } else { Access::Read };
                    intentions.add(is_prefix, name, Grant { access, ..*grant });
                }
            }
        }
        self.named.insert(Resource::Intention, intentions);
    }

    fn default_allows(&self, resource: Resource) -> bool {
        self.default == Default::Allow && resource != Resource::Acl
    }

    /// Whether a request may go on. `name` is passed over for resources without names.
    #[must_use]
    pub fn allows(&self, resource: Resource, name: impl AsRef<[u8]>, level: Level) -> bool {
        let name = name.as_ref();
        let grant = match resource {
            Resource::Acl | Resource::Keyring | Resource::Operator => self.whole.get(&resource).copied(),
            Resource::Intention if name == b"*" => return self.allows_wildcard(level),
            _ => self.named.get(&resource).and_then(|names| names.find(name)).map(|(_, _, grant)| grant),
        };
        grant.map_or_else(|| self.default_allows(resource), |grant| grant.access.grants(level))
    }

    /// Intentions for every service: one may read them who may read some, and change them who may change all.
    fn allows_wildcard(&self, level: Level) -> bool {
        let default = self.default_allows(Resource::Intention);
        let Some(names) = self.named.get(&Resource::Intention) else { return default };
        match level {
            Level::Read | Level::List => default || names.all().any(|(_, grant)| grant.access.grants(level)),
            Level::Write => {
                let whole = names.prefixes.get(&b""[..]).map_or(default, |grant| grant.access.grants(level));
                whole && names.all().all(|(_, grant)| grant.access.grants(level))
            }
        }
    }

    /// Whether something of a kind is allowed for at least one name.
    #[must_use]
    pub fn allows_some(&self, resource: Resource, level: Level) -> bool {
        self.default_allows(resource)
            || self.named.get(&resource).is_some_and(|names| names.all().any(|(_, grant)| grant.access.grants(level)))
    }

    /// Whether a level is granted on everything under a prefix of keys: on the prefix itself, and no rule below it speaks
    /// against.
    #[must_use]
    pub fn allows_key_tree(&self, prefix: &[u8], level: Level) -> bool {
        let Some(names) = self.named.get(&Resource::Key) else { return self.default_allows(Resource::Key) };
        let base = names
            .find_prefix(prefix)
            .map_or_else(|| self.default_allows(Resource::Key), |(_, _, grant)| grant.access.grants(level));
        base && names.all().all(|(name, grant)| !name.starts_with(prefix) || grant.access.grants(level))
    }

    /// Which rule decides, for people.
    #[must_use]
    pub fn explain(&self, resource: Resource, name: &str, level: Level) -> Decision {
        let allowed = self.allows(resource, name, level);
        let (rule, policy) = match resource {
            Resource::Acl | Resource::Keyring | Resource::Operator => match self.whole.get(&resource) {
                Some(grant) => {
                    (Some(format!("{} = \"{}\"", resource.as_str(), grant.access.as_str())), Some(grant.policy))
                }
                None => (None, None),
            },
            _ => match self.named.get(&resource).and_then(|names| names.find(name.as_bytes())) {
                Some((is_prefix, found, grant)) => {
                    let found = String::from_utf8_lossy(found);
                    (Some(rule_text(resource, is_prefix, &found, grant.access)), Some(grant.policy))
                }
                None => (None, None),
            },
        };
        Decision { allowed, rule, policy }
    }
}

/// A rule as it would stand in a policy.
fn rule_text(resource: Resource, is_prefix: bool, name: &str, access: Access) -> String {
    let word = if resource == Resource::Intention { Resource::Service } else { resource }.as_str();
    let suffix = if is_prefix { "_prefix" } else { "" };
    let field = if resource == Resource::Intention { "intentions" } else { "policy" };
    format!("{word}{suffix} {name:?} {{ {field} = \"{}\" }}", access.as_str())
}

/// The smallest rule that would allow something.
#[must_use]
pub fn minimal_rule(resource: Resource, name: &str, level: Level) -> String {
    match resource {
        Resource::Acl | Resource::Keyring | Resource::Operator => {
            format!("{} = \"{}\"", resource.as_str(), level.as_str())
        }
        Resource::Intention => format!("service {name:?} {{ policy = \"read\" intentions = \"{}\" }}", level.as_str()),
        _ => {
            let suffix = if level == Level::List { "_prefix" } else { "" };
            format!("{}{suffix} {name:?} {{ policy = \"{}\" }}", resource.as_str(), level.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::Syntax;

    fn authorizer(texts: &[&str], default: Default) -> Authorizer {
        let rules: Vec<Rules> = texts.iter().map(|text| Rules::parse(text, Syntax::Current).expect("rules")).collect();
        Authorizer::new(&rules, default)
    }

    #[test]
    fn exact_before_longest_prefix_before_default() {
        let rules =
            r#"key_prefix "" { policy = "read" } key_prefix "a/" { policy = "write" } key "a/b" { policy = "deny" }"#;
        let it = authorizer(&[rules], Default::Deny);
        let may = |name: &str, level| it.allows(Resource::Key, name, level);
        assert!(may("x", Level::Read) && !may("x", Level::Write));
        assert!(may("a/c", Level::Write) && !may("a/b", Level::Read));
        assert!(may("a/bc", Level::Write), "an exact rule is for no longer name");
        assert!(!it.allows(Resource::Node, "x", Level::Read));
    }

    #[test]
    fn the_default_never_opens_the_acl_system() {
        let it = authorizer(&[], Default::Allow);
        assert!(it.allows(Resource::Operator, "", Level::Write) && it.allows(Resource::Key, "x", Level::Write));
        assert!(!it.allows(Resource::Acl, "", Level::Read));
        assert!(it.allows(Resource::Intention, "*", Level::Write));
    }

    #[test]
    fn trees_need_every_rule_below() {
        let it = authorizer(
            &[r#"key_prefix "a/" { policy = "write" } key "a/b/secret" { policy = "read" }"#],
            Default::Deny,
        );
        assert!(it.allows_key_tree(b"a/c", Level::Write) && it.allows_key_tree(b"a/b/x", Level::Write));
        assert!(
            !it.allows_key_tree(b"a/", Level::Write)
                && !it.allows_key_tree(b"a/b", Level::Write)
                && !it.allows_key_tree(b"", Level::Write)
        );
        let open = authorizer(&[r#"key "x" { policy = "write" }"#], Default::Allow);
        assert!(open.allows_key_tree(b"", Level::Write));
    }

    #[test]
    fn intentions_follow_services() {
        let it = authorizer(
            &[
                r#"service "a" { policy = "write" } service "b" { policy = "deny" }
                service_prefix "c" { policy = "read" intentions = "write" }"#,
                r#"service "d" { policy = "read" intentions = "read" }"#,
                r#"service "d" { policy = "write" intentions = "write" }"#,
            ],
            Default::Deny,
        );
        let may = |name: &str, level| it.allows(Resource::Intention, name, level);
        assert!(may("a", Level::Read) && !may("a", Level::Write));
        assert!(!may("b", Level::Read) && may("cc", Level::Write) && may("d", Level::Write));
        assert!(may("*", Level::Read) && !may("*", Level::Write));
        let all = authorizer(&[crate::MANAGEMENT_RULES], Default::Deny);
        assert!(all.allows(Resource::Intention, "*", Level::Write));
        assert!(Resource::ALL.iter().all(|resource| all.allows(*resource, "x", Level::Write)));
        assert!(all.allows_key_tree(b"", Level::Write));
    }

    #[test]
    fn decisions_are_explained() {
        let it = authorizer(&["operator = \"read\"", r#"key_prefix "a/" { policy = "read" }"#], Default::Deny);
        let decision = it.explain(Resource::Key, "a/b", Level::Write);
        assert_eq!(decision.rule.as_deref(), Some(r#"key_prefix "a/" { policy = "read" }"#));
        assert_eq!((decision.allowed, decision.policy), (false, Some(1)));
        assert_eq!(it.explain(Resource::Operator, "", Level::Read).policy, Some(0));
        assert_eq!(it.explain(Resource::Node, "x", Level::Read).rule, None);
        for resource in Resource::ALL {
            for level in [Level::Read, Level::Write] {
                let rule = minimal_rule(resource, "x", level);
                assert!(authorizer(&[&rule], Default::Deny).allows(resource, "x", level), "{rule}");
            }
        }
        assert!(authorizer(&[&minimal_rule(Resource::Key, "x", Level::List)], Default::Deny).allows(
            Resource::Key,
            "xy",
            Level::List
        ));
    }

    fn access() -> impl Strategy<Value = Access> {
        proptest::sample::select(vec![Access::Deny, Access::Read, Access::List, Access::Write])
    }

    fn rule() -> impl Strategy<Value = crate::NamedRule> {
        (any::<bool>(), "[ab]{0,3}", access()).prop_map(|(is_prefix, name, access)| crate::NamedRule {
            resource: Resource::Key,
            is_prefix,
            name,
            access,
            intentions: None,
        })
    }

    /// What is allowed, from the definition and slowly.
    fn slowly(rules: &[crate::NamedRule], name: &str, level: Level) -> bool {
        let exact = rules.iter().filter(|rule| !rule.is_prefix && rule.name == name);
        let strongest = |rules: Vec<&crate::NamedRule>| rules.iter().map(|rule| rule.access).reduce(Access::stronger);
        if let Some(access) = strongest(exact.collect()) {
            return access.grants(level);
        }
        let fitting = || rules.iter().filter(|rule| rule.is_prefix && name.starts_with(&rule.name));
        let longest = fitting().map(|rule| rule.name.len()).max();
        let access = strongest(fitting().filter(|rule| Some(rule.name.len()) == longest).collect());
        access.is_some_and(|access| access.grants(level))
    }

    proptest! {
        #[test]
        fn what_is_allowed_is_what_the_definition_says(
            rules in proptest::collection::vec(rule(), 0..12), name in "[ab]{0,4}", cut in 0_usize..12,
        ) {
            let (one, two) = rules.split_at(cut.min(rules.len()));
            let policies = [one, two].map(|named| Rules { named: named.to_vec(), ..Rules::default() });
            let it = Authorizer::new(&policies, Default::Deny);
            for level in [Level::Read, Level::List, Level::Write] {
                prop_assert_eq!(it.allows(Resource::Key, &name, level), slowly(&rules, &name, level));
            }
            // The order of policies is of no matter.
            let turned = Authorizer::new(policies.iter().rev(), Default::Deny);
            prop_assert_eq!(it.allows(Resource::Key, &name, Level::Write), turned.allows(Resource::Key, &name, Level::Write));
        }

        #[test]
        fn whoever_may_change_a_tree_may_change_what_is_in_it(
            rules in proptest::collection::vec(rule(), 0..12), prefix in "[ab]{0,2}", below in "[ab]{0,3}",
        ) {
            let it = Authorizer::new(&[Rules { named: rules, ..Rules::default() }], Default::Deny);
            if it.allows_key_tree(prefix.as_bytes(), Level::Write) {
                let name = [prefix, below].concat();
                prop_assert!(it.allows(Resource::Key, &name, Level::Write));
            }
        }
    }
}
