//! Certificates and kubeconfig files of the test cluster, made with openssl; they last a month.

use anyhow::Result;

use super::layout::{Layout, SERVICE_KUBERNETES};
use crate::shell::{command, run};

const DAYS: &str = "30";

/// Makes the authority, all certificates and all kubeconfig files.
pub fn create(layout: &Layout) -> Result<()> {
    std::fs::create_dir_all(layout.pki(""))?;
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -subj /CN=concord-test-ca";
    openssl(layout, request, &["-days", DAYS])?;
    openssl(layout, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out sa.key", &[])?;
    openssl(layout, "pkey -in sa.key -pubout -out sa.pub", &[])?;
    let nodes = layout.nodes();
    let api = nodes.first().map(|node| node.address()).unwrap_or_default();
    let names = format!(
        "IP:{api},IP:{SERVICE_KUBERNETES},IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,\
         DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
    );
    certificate(layout, "apiserver", "/CN=kube-apiserver", &names)?;
    certificate(layout, "apikubelet", "/O=system:masters/CN=apikubelet", "DNS:apikubelet")?;
    let mut users = vec![
        ("admin".to_owned(), "/O=system:masters/CN=admin".to_owned(), "DNS:admin".to_owned()),
        ("controller-manager".into(), "/CN=system:kube-controller-manager".into(), "DNS:kcm".into()),
        ("scheduler".into(), "/CN=system:kube-scheduler".into(), "DNS:scheduler".into()),
        ("proxy".into(), "/CN=system:kube-proxy".into(), "DNS:proxy".into()),
    ];
    for node in &nodes {
        let subject = format!("/O=system:nodes/CN=system:node:{}", node.name());
        users.push((node.name(), subject, format!("DNS:{},IP:{}", node.name(), node.address())));
    }
    for (user, subject, names) in users {
        certificate(layout, &user, &subject, &names)?;
        std::fs::write(layout.run.join(format!("{user}.kubeconfig")), kubeconfig(layout, &api, &user))?;
    }
    Ok(())
}

fn certificate(layout: &Layout, name: &str, subject: &str, alternative_names: &str) -> Result<()> {
    let extensions = layout.pki(&format!("{name}.ext"));
    std::fs::write(&extensions, format!("subjectAltName={alternative_names}\n"))?;
    let request = format!(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.csr -subj {subject}"
    );
    openssl(layout, &request, &[])?;
    let sign = format!(
        "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt -extfile {name}.ext"
    );
    openssl(layout, &sign, &["-days", DAYS])
}

fn openssl(layout: &Layout, words: &str, more: &[&str]) -> Result<()> {
    let mut openssl = command("openssl", words.split(' '));
    run(openssl.args(more).current_dir(layout.pki("")))?;
    Ok(())
}

fn kubeconfig(layout: &Layout, api: &str, user: &str) -> String {
    let pki = layout.pki("");
    let pki = pki.display().to_string();
    let pki = pki.trim_end_matches('/');
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: concord-test, cluster: {{server: \"https://{api}:6443\", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: {user}, user: {{client-certificate: {pki}/{user}.crt, client-key: {pki}/{user}.key}}}}]
contexts: [{{name: concord-test, context: {{cluster: concord-test, user: {user}}}}}]
current-context: concord-test
"
    )
}
