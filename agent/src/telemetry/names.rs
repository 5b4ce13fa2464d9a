//! How a metric is called outside: prefix, host name of gauges, and which names are let through.

/// The settings of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// First part of every name, `consul`.
    pub prefix: String,
    /// Second part of the name of gauges; empty to leave it out.
    pub hostname: String,
    /// Which names are recorded.
    pub filter: PrefixFilter,
}

impl Default for Naming {
    fn default() -> Self {
        Self { prefix: "consul".to_owned(), hostname: String::new(), filter: PrefixFilter::default() }
    }
}

impl Naming {
    /// The name outside; `gauge` adds the host name.
    #[must_use]
    pub fn full(&self, name: &str, gauge: bool) -> String {
        let host = if gauge { self.hostname.as_str() } else { "" };
        let parts = [self.prefix.as_str(), host, name];
        parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
    }
}

/// Rules by the beginning of a name, as `telemetry.prefix_filter`; the longest that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixFilter {
    /// Prefix, and whether it is let through.
    pub rules: Vec<(String, bool)>,
    /// What happens to names that no rule fits.
    pub default: bool,
}

impl Default for PrefixFilter {
    fn default() -> Self {
        Self { rules: Vec::new(), default: true }
    }
}

impl PrefixFilter {
    /// Reads rules as `+consul.raft` and `-consul.http`. The second part names those that begin with neither sign.
    #[must_use]
    pub fn parse(rules: &[String], default: bool) -> (Self, Vec<String>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for rule in rules {
            match (rule.strip_prefix('+'), rule.strip_prefix('-')) {
                (Some(prefix), _) => good.push((prefix.to_owned(), true)),
                (_, Some(prefix)) => good.push((prefix.to_owned(), false)),
                _ => bad.push(rule.clone()),
            }
        }
        (Self { rules: good, default }, bad)
    }

    /// Whether a name is recorded. Rules are written against the name with its prefix and without the host name.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        let fitting = self.rules.iter().filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.default, |(_, admitted)| *admitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_carry_the_host_name() {
        let naming = Naming { hostname: "vm".to_owned(), ..Naming::default() };
        assert_eq!(naming.full("runtime.alloc_bytes", true), "consul.vm.runtime.alloc_bytes");
        assert_eq!(naming.full("raft.apply", false), "consul.raft.apply");
    }

    #[test]
    fn the_longest_rule_decides() {
        let rules = ["-consul.http".to_owned(), "+consul.http.GET".to_owned(), "consul.dns".to_owned()];
        let (filter, bad) = PrefixFilter::parse(&rules, true);
        assert_eq!(bad, ["consul.dns"]);
        assert!(filter.admits("consul.http.GET.v1.kv._") && filter.admits("consul.raft.apply"));
        assert!(!filter.admits("consul.http.PUT.v1.kv._"));
    }
}
