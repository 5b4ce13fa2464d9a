//! ARCHITECTURE.md must not name paths that do not exist, and no document may name what is not part of the project.

use anyhow::Result;

use super::Breach;
use crate::tools;

/// Documents whose `code spans` that look like paths are checked.
const CHECKED: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"];

pub(super) fn check() -> Result<Vec<Breach>> {
    let root = tools::root();
    let mut breaches = Vec::new();
    for document in CHECKED {
        let Ok(text) = std::fs::read_to_string(root.join(document)) else {
            breaches.push(format!("{document} is missing"));
            continue;
        };
        for span in text.split('`').skip(1).step_by(2).filter(|span| looks_like_path(span)) {
            if !root.join(span.trim_end_matches('/')).exists() {
                breaches.push(format!("{document} names `{span}`, which does not exist"));
            }
        }
    }
    Ok(breaches)
}

/// A code span is taken for a path of the project when it has a slash, no space and starts with one of our folders.
fn looks_like_path(span: &str) -> bool {
    const FOLDERS: &[&str] =
        &["agent/", "operator/", "crates/", "charts/", "crds/", "tests/", "bench/", "fuzz/", "docs/", "xtask/"];
    !span.contains([' ', '<', '*', '{', '\n']) && FOLDERS.iter().any(|folder| span.starts_with(folder))
}
