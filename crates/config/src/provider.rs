//! Entries of `retry_join` that name a provider instead of an address: `provider=k8s label_selector="app=consul"`.
//! Reads them; asking the provider is the agent's.

/// Providers that others have, and what to do instead.
const OTHERS: &[&str] = &[
    "aliyun",
    "aws",
    "azure",
    "digitalocean",
    "exec",
    "gce",
    "hcp",
    "linode",
    "mdns",
    "os",
    "packet",
    "scaleway",
    "softlayer",
    "tencentcloud",
    "triton",
    "vsphere",
];

/// Which pods of Kubernetes to join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesPods {
    /// Only pods of this namespace; all when empty.
    pub namespace: String,
    /// Only pods with these labels, in Kubernetes' own words.
    pub label_selector: String,
    /// Only pods with these fields.
    pub field_selector: String,
    /// Join the address of the pod's host in place of the pod's own.
    pub host_network: bool,
    /// File that says where the API is; that of the pod this agent runs in when empty.
    pub kubeconfig: String,
}

impl KubernetesPods {
    /// Reads an entry; none where it names no provider.
    ///
    /// # Errors
    /// When the provider or one of its keys is not known; the text says what to do.
    pub fn parse(entry: &str) -> Option<Result<Self, String>> {
        let pairs = pairs(entry);
        let (_, provider) = pairs.iter().find(|(key, _)| key == "provider")?;
        Some(match provider.as_str() {
            "k8s" => Self::of_pairs(&pairs),
            other if OTHERS.contains(&other) => Err(format!(
                "the provider {other:?} is not available; use a DNS name or the addresses of the servers, or provider=k8s"
            )),
            other => Err(format!("unknown provider {other:?}; use provider=k8s, a DNS name or an address")),
        })
    }

    fn of_pairs(pairs: &[(String, String)]) -> Result<Self, String> {
        let mut pods = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                "provider" => {}
                "namespace" => pods.namespace.clone_from(value),
                "label_selector" => pods.label_selector.clone_from(value),
                "field_selector" => pods.field_selector.clone_from(value),
                "kubeconfig" => pods.kubeconfig.clone_from(value),
                "host_network" => {
                    let value = crate::parse_bool(value);
                    pods.host_network = value.ok_or("provider=k8s: host_network must be true or false")?;
                }
                other => {
                    let known = "namespace, label_selector, field_selector, host_network and kubeconfig";
                    return Err(format!("provider=k8s: unknown key {other:?}; there are {known}"));
                }
            }
        }
        Ok(pods)
    }
}

/// `key=value` words; a value may be in quotes.
fn pairs(entry: &str) -> Vec<(String, String)> {
    let (mut pairs, mut rest) = (Vec::new(), entry.trim());
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=') else {
            pairs.push((rest.to_owned(), String::new()));
            break;
        };
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        pairs.push((key.trim().to_owned(), value.to_owned()));
        rest = next.trim_start();
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        assert!(KubernetesPods::parse("10.0.0.1:8301").is_none());
        let entry =
            "provider=k8s label_selector=\"app=consul,component in (server)\" namespace=\"a\" host_network=true";
        let pods = KubernetesPods::parse(entry).unwrap().unwrap();
        assert_eq!(pods.label_selector, "app=consul,component in (server)");
        assert_eq!((pods.namespace.as_str(), pods.host_network), ("a", true));
        for (entry, part) in [
            ("provider=aws tag_key=x", "\"aws\" is not available; use a DNS name"),
            ("provider=nope", "unknown provider \"nope\""),
            ("provider=k8s colour=red", "unknown key \"colour\""),
            ("provider=k8s host_network=maybe", "must be true or false"),
        ] {
            let text = KubernetesPods::parse(entry).unwrap().unwrap_err();
            assert!(text.contains(part), "{text}");
        }
    }
}
