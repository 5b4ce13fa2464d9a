//! Where the cluster is: named by `cargo xtask test` in the environment.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::figures::Figures;
use crate::kubectl::Kubectl;

/// What every case gets.
pub struct Environment {
    /// kubectl and helm with the administrator's rights.
    pub kubectl: Kubectl,
    /// helm's program.
    pub helm: PathBuf,
    /// A network namespace from which Services can be reached.
    pub node_namespace: String,
    /// The image under test, `repository:tag`.
    pub image: String,
    /// An image with a shell.
    pub shell_image: String,
    /// An image of the real Consul.
    pub oracle_image: String,
    /// The measured numbers.
    pub figures: Figures,
}

impl Environment {
    /// Reads the environment variables.
    pub fn from_variables() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set; run `cargo xtask test kubernetes`"))
        };
        Ok(Self {
            kubectl: Kubectl::new(variable("CONCORD_KUBECTL")?),
            helm: variable("CONCORD_HELM")?.into(),
            node_namespace: variable("CONCORD_NODE_NAMESPACE")?,
            image: variable("CONCORD_IMAGE")?,
            shell_image: variable("CONCORD_SHELL_IMAGE")?,
            oracle_image: variable("CONCORD_ORACLE_IMAGE")?,
            figures: Figures::new(std::env::var_os("CONCORD_FIGURES").map(PathBuf::from)),
        })
    }

    /// A file of the repository.
    pub fn file(&self, path: &str) -> String {
        format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
    }

    /// What a person would look at first after a failure.
    pub fn print_state(&self) {
        let looks: &[&[&str]] = &[
            &["get", "pods", "--all-namespaces", "-o", "wide"],
            &["get", "consulclusters", "--all-namespaces", "-o", "yaml"],
            &["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"],
            &["logs", "-n", "concord-system", "-l", "app.kubernetes.io/name=concord-operator", "--tail=40"],
            &["logs", "-l", "app.kubernetes.io/component=server", "--tail=25", "--prefix"],
            &["logs", "-l", "app.kubernetes.io/component=client", "--tail=10", "--prefix"],
        ];
        for arguments in looks {
            let text = self.kubectl.run(arguments).unwrap_or_else(|error| format!("{error:#}"));
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(120)..];
            println!("$ kubectl {}\n{}\n", arguments.join(" "), shown.join("\n"));
        }
    }
}
