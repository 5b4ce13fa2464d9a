//! From a secret to what it may.
//!
//! What was found is kept until anything of the ACL system changes; tokens with the same policies share one authorizer,
//! whose number keeps the answers of different rights apart.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use acl::{Authorizer, Level, Resource, Rules, Syntax};
use model::{ANONYMOUS_SECRET, AclLink, AclToken, NodeIdentity, ServiceIdentity, Timestamp, Token};
use state::{Source, Table, View, Watches};

use super::{denied, failed, not_found};
use crate::limits::CALLERS_MAX;
use crate::request::RequestError;

/// Tables that a token's rights come from.
const TABLES: &[Table] = &[Table::AclTokens, Table::AclPolicies, Table::AclRoles];

/// How the ACL system is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether it is on. When off, everything is allowed and nothing is looked up.
    pub enabled: bool,
    /// What holds where no rule speaks.
    pub default: acl::Default,
    /// Whether listing keys needs `list` on the prefix.
    pub key_list_policy: bool,
    /// Datacenter of this server.
    pub datacenter: String,
}

impl Settings {
    /// Everything is allowed.
    #[must_use]
    pub fn off() -> Self {
        Self { enabled: false, default: acl::Default::Allow, key_list_policy: false, datacenter: String::new() }
    }
}

/// The rights of tokens with the same policies.
#[derive(Debug)]
struct Scope {
    number: u64,
    authorizer: Authorizer,
    /// Names of the policies in the order in which the authorizer has them.
    policies: Vec<String>,
    texts: Vec<String>,
    key_list_policy: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller(Option<Known>);

#[derive(Clone, Debug)]
struct Known {
    scope: Arc<Scope>,
    /// `None` for servers among themselves, and before there is an anonymous token.
    token: Option<Arc<AclToken>>,
}

impl Caller {
    /// One that may do everything: ACLs are off, or a server asks itself.
    #[must_use]
    pub fn everything() -> Self {
        Self(None)
    }

    /// One with the rights of these policies, for an agent that decides by itself.
    ///
    /// # Errors
    /// When a text cannot be read.
    pub fn with_rules(texts: &[String], default: acl::Default) -> Result<Self, acl::RulesError> {
        let rules = texts.iter().map(|text| Rules::parse(text, Syntax::Current)).collect::<Result<Vec<_>, _>>()?;
        let scope = Scope {
            // Agents keep no answers of others.
            number: u64::MAX,
            authorizer: Authorizer::new(&rules, default),
            policies: Vec::new(),
            texts: texts.to_vec(),
            key_list_policy: false,
        };
        Ok(Self(Some(Known { scope: Arc::new(scope), token: None })))
    }

    /// Whether it may.
    #[must_use]
    pub fn allows(&self, resource: Resource, name: impl AsRef<[u8]>, level: Level) -> bool {
        self.0.as_ref().is_none_or(|known| known.scope.authorizer.allows(resource, name, level))
    }

    /// Whether a level is granted to it on everything under a prefix of keys.
    #[must_use]
    pub fn allows_key_tree(&self, prefix: &[u8], level: Level) -> bool {
        self.0.as_ref().is_none_or(|known| known.scope.authorizer.allows_key_tree(prefix, level))
    }

    /// Whether it may do something to at least one name of a kind.
    #[must_use]
    pub fn allows_some(&self, resource: Resource, level: Level) -> bool {
        self.0.as_ref().is_none_or(|known| known.scope.authorizer.allows_some(resource, level))
    }

    /// Whether listing keys needs `list` on the prefix.
    pub(super) fn needs_key_list(&self) -> bool {
        self.0.as_ref().is_some_and(|known| known.scope.key_list_policy)
    }

    /// Refuses unless it may.
    ///
    /// # Errors
    /// `Permission denied`.
    pub fn require(&self, resource: Resource, name: impl AsRef<[u8]>, level: Level) -> Result<(), RequestError> {
        if self.allows(resource, name, level) { Ok(()) } else { Err(denied()) }
    }

    /// Number of its rights: answers for different numbers must not be mixed up. 0 for everything.
    #[must_use]
    pub fn scope(&self) -> u64 {
        self.0.as_ref().map_or(0, |known| known.scope.number)
    }

    /// Its token.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<AclToken>> {
        self.0.as_ref()?.token.as_ref()
    }

    /// Its policies as texts, for an agent that decides by itself.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |known| &known.scope.texts)
    }

    /// Which rule decides, and in which policy it stands.
    #[must_use]
    pub fn explain(&self, resource: Resource, name: &str, level: Level) -> (acl::Decision, Option<&str>) {
        match &self.0 {
            None => (acl::Decision { allowed: true, rule: None, policy: None }, None),
            Some(known) => {
                let decision = known.scope.authorizer.explain(resource, name, level);
                let policy = decision.policy.and_then(|at| known.scope.policies.get(at)).map(String::as_str);
                (decision, policy)
            }
        }
    }
}

#[derive(Default)]
struct Cache {
    watches: Option<Watches>,
    by_secret: HashMap<Token, Known>,
    by_policies: HashMap<String, Arc<Scope>>,
}

impl Cache {
    fn is_fresh(&self) -> bool {
        self.watches.as_ref().is_some_and(Watches::are_fresh)
    }
}

/// Finds out who asks. One per server.
pub struct Guard {
    settings: Settings,
    cache: RwLock<Cache>,
    last_number: AtomicU64,
}

impl Guard {
    /// A guard that knows nobody yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, cache: RwLock::default(), last_number: AtomicU64::new(0) }
    }

    /// How it is set up.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who shows this secret. Without one it is the anonymous token.
    ///
    /// # Errors
    /// `ACL not found` when the secret belongs to no token, or to one that has expired.
    pub fn caller(&self, view: &View, secret: &Token, now: Timestamp) -> Result<Caller, RequestError> {
        if !self.settings.enabled {
            return Ok(Caller::everything());
        }
        let kept = {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            if cache.is_fresh() { cache.by_secret.get(secret).cloned() } else { None }
        };
        let known = match kept {
            Some(known) => known,
            None if view.server_secret().is_some_and(|server| server == secret) => return Ok(Caller::everything()),
            None => self.find(view, secret)?,
        };
        if known.token.as_ref().is_some_and(|token| token.is_expired(now)) {
            return Err(not_found());
        }
        Ok(Caller(Some(known)))
    }

    fn find(&self, view: &View, secret: &Token) -> Result<Known, RequestError> {
        // In this order: what changes after the watches were taken makes them stale.
        let watches = view.watches(Source::Tables(TABLES));
        let anonymous = Token::new(ANONYMOUS_SECRET);
        let is_anonymous = secret.secret().is_empty() || *secret == anonymous;
        let token = view.acl_token_by_secret(if is_anonymous { &anonymous } else { secret }).cloned();
        if token.is_none() && !is_anonymous {
            return Err(not_found());
        }
        let policies = Policies::of(view, token.as_deref(), &self.settings.datacenter);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if !cache.is_fresh() {
            *cache = Cache { watches: Some(watches), ..Cache::default() };
        } else if cache.by_secret.len() >= CALLERS_MAX {
            cache.by_secret.clear();
            cache.by_policies.clear();
        }
        let scope = match cache.by_policies.get(&policies.key) {
            Some(scope) => Arc::clone(scope),
            None => Arc::new(self.scope(&policies)?),
        };
        cache.by_policies.insert(policies.key, Arc::clone(&scope));
        let known = Known { scope, token };
        cache.by_secret.insert(secret.clone(), known.clone());
        Ok(known)
    }

    fn scope(&self, policies: &Policies) -> Result<Scope, RequestError> {
        let read = |(name, syntax, text): &(String, Syntax, String)| {
            // It was checked when it was written; a rule that cannot be read might be one that forbids.
            Rules::parse(text, *syntax)
                .map_err(|error| failed(format!("the ACL policy {name:?} cannot be read: {error}")))
        };
        let rules = policies.texts.iter().map(read).collect::<Result<Vec<Rules>, _>>()?;
        Ok(Scope {
            number: self.last_number.fetch_add(1, Ordering::Relaxed) + 1,
            authorizer: Authorizer::new(&rules, self.settings.default),
            policies: policies.texts.iter().map(|(name, ..)| name.clone()).collect(),
            texts: policies.current_texts(),
            key_list_policy: self.settings.key_list_policy,
        })
    }
}

/// All policies that a token has, by whatever way.
struct Policies {
    /// What tells equal ones.
    key: String,
    texts: Vec<(String, Syntax, String)>,
}

impl Policies {
    fn of(view: &View, token: Option<&AclToken>, datacenter: &str) -> Self {
        let mut found = Self { key: String::new(), texts: Vec::new() };
        let Some(token) = token else { return found };
        let mut links: Vec<&AclLink> = token.policies.iter().collect();
        let mut services: Vec<&ServiceIdentity> = token.service_identities.iter().collect();
        let mut nodes: Vec<&NodeIdentity> = token.node_identities.iter().collect();
        for role in token.roles.iter().filter_map(|link| view.acl_role(&link.id)) {
            links.extend(&role.policies);
            services.extend(&role.service_identities);
            nodes.extend(&role.node_identities);
        }
        links.sort();
        links.dedup();
        services.sort();
        services.dedup();
        nodes.sort();
        nodes.dedup();
        let holds = |datacenters: &[String]| datacenters.is_empty() || datacenters.iter().any(|dc| dc == datacenter);
        for policy in links.iter().filter_map(|link| view.acl_policy(&link.id)) {
            if holds(&policy.datacenters) {
                found.add(&policy.name, Syntax::Current, policy.rules.clone());
            }
        }
        for service in services.iter().filter(|service| holds(&service.datacenters)) {
            let name = &service.service_name;
            found.add(&format!("service identity {name}"), Syntax::Current, acl::service_identity_rules(name));
        }
        for node in nodes.iter().filter(|node| node.datacenter == datacenter) {
            let name = &node.node_name;
            found.add(&format!("node identity {name}"), Syntax::Current, acl::node_identity_rules(name));
        }
        if !token.rules.is_empty() {
            found.add("rules of the token", Syntax::Legacy, token.rules.clone());
        }
        found
    }

    fn add(&mut self, name: &str, syntax: Syntax, text: String) {
        self.key.push_str(&format!("{name}\0{syntax:?}\0{}\0{text}\0", text.len()));
        self.texts.push((name.to_owned(), syntax, text));
    }

    /// In the current language, for those who know no other.
    fn current_texts(&self) -> Vec<String> {
        let current = |(_, syntax, text): &(String, Syntax, String)| match syntax {
            Syntax::Current => Some(text.clone()),
            // It has just been read, so it can be translated.
            Syntax::Legacy => acl::translate(text).ok(),
        };
        self.texts.iter().filter_map(current).collect()
    }
}
