//! The block in CoreDNS's configuration that sends a cluster's domain to its DNS Service. Pure text editing.
//!
//! The block stands between two marker lines that name the cluster; everything outside them is never touched.

use thiserror::Error;

/// Why a Corefile was left as it is.
#[derive(Debug, Error, PartialEq)]
pub enum CorefileError {
    /// Somebody else answers for the domain already.
    #[error("CoreDNS already has a server block for {domain}; remove it, or set spec.dns.coreDNS.mode to Manual")]
    DomainTaken {
        /// The domain.
        domain: String,
    },
    /// A marker without its counterpart.
    #[error("the Corefile has a line {marker:?} without its counterpart; repair it by hand")]
    BrokenMarkers {
        /// The marker line found.
        marker: String,
    },
}

/// The server block itself: queries for the domain go to the DNS Service.
pub fn server_block(domain: &str, address: &str) -> String {
    format!("{domain}:53 {{\n    errors\n    cache 1\n    forward . {address}\n}}\n")
}

/// The Corefile with the cluster's block in it; the same text when it is there already.
pub fn with_block(corefile: &str, cluster: &str, domain: &str, address: &str) -> Result<String, CorefileError> {
    let rest = without_block(corefile, cluster)?;
    if answers_for(&rest, domain) {
        return Err(CorefileError::DomainTaken { domain: domain.to_owned() });
    }
    let (begin, end) = markers(cluster);
    let separator = if rest.is_empty() || rest.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{rest}{separator}{begin}\n{}{end}\n", server_block(domain, address)))
}

/// The Corefile without the cluster's block; the same text when it has none.
pub fn without_block(corefile: &str, cluster: &str) -> Result<String, CorefileError> {
    let (begin, end) = markers(cluster);
    let mut kept = String::with_capacity(corefile.len());
    let mut inside = false;
    for line in corefile.split_inclusive('\n') {
        let text = line.trim();
        match (inside, text == begin, text == end) {
            (false, true, _) => inside = true,
            (true, _, true) => inside = false,
            (false, _, true) => return Err(CorefileError::BrokenMarkers { marker: end }),
            (true, _, _) => {}
            (false, false, false) => kept.push_str(line),
        }
    }
    if inside { Err(CorefileError::BrokenMarkers { marker: begin }) } else { Ok(kept) }
}

fn markers(cluster: &str) -> (String, String) {
    (format!("# begin concord {cluster}"), format!("# end concord {cluster}"))
}

/// Whether a line that opens a server block names the domain among its zones.
fn answers_for(corefile: &str, domain: &str) -> bool {
    let wanted = domain.trim_end_matches('.');
    corefile.lines().map(str::trim).filter(|line| line.ends_with('{') && !line.starts_with('#')).any(|line| {
        line.trim_end_matches('{').split([' ', ',', '\t']).any(|zone| {
            let zone = zone.strip_prefix("dns://").unwrap_or(zone);
            zone.split(':').next().unwrap_or("").trim_end_matches('.') == wanted
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = ".:53 {\n    errors\n    kubernetes cluster.local\n}\n";

    #[test]
    fn adds_and_removes_its_own_block_only() {
        let with = with_block(PLAIN, "default/consul", "consul", "10.96.0.53").unwrap();
        assert!(with.starts_with(PLAIN), "{with}");
        assert!(with.contains("consul:53 {\n    errors\n    cache 1\n    forward . 10.96.0.53\n}\n"), "{with}");
        assert_eq!(without_block(&with, "default/consul").unwrap(), PLAIN);
        assert_eq!(without_block(&with, "default/other").unwrap(), with);
    }

    #[test]
    fn is_stable_and_follows_a_new_address() {
        let once = with_block(PLAIN, "default/consul", "consul", "10.96.0.53").unwrap();
        assert_eq!(with_block(&once, "default/consul", "consul", "10.96.0.53").unwrap(), once);
        let moved = with_block(&once, "default/consul", "consul", "10.96.0.54").unwrap();
        assert_eq!(moved, once.replace("10.96.0.53", "10.96.0.54"));
    }

    #[test]
    fn leaves_the_file_alone_when_the_domain_is_taken() {
        for block in ["consul {\n}\n", "consul:53 {\n}\n", "a.example consul.:5353 {\n}\n", "dns://consul {\n}\n"] {
            let result = with_block(&format!("{PLAIN}{block}"), "default/consul", "consul", "10.96.0.53");
            assert_eq!(result, Err(CorefileError::DomainTaken { domain: "consul".to_owned() }), "{block}");
        }
        let two = with_block(PLAIN, "a/consul", "consul", "10.96.0.53").unwrap();
        assert!(with_block(&two, "b/consul", "consul", "10.96.0.54").is_err());
        assert!(with_block(&two, "b/consul", "other", "10.96.0.54").is_ok());
    }

    #[test]
    fn reports_broken_markers() {
        for text in ["# begin concord a/b\n", "# end concord a/b\n"] {
            assert!(matches!(without_block(text, "a/b"), Err(CorefileError::BrokenMarkers { .. })), "{text}");
        }
    }

    #[test]
    fn a_file_without_a_last_newline_gets_one() {
        let with = with_block(".:53 {\n}", "a/b", "consul", "10.0.0.1").unwrap();
        assert!(with.starts_with(".:53 {\n}\n# begin"), "{with}");
    }
}
