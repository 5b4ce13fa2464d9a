//! `consul tls ca create`.

use rcgen::{BasicConstraints, DnType, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType};

use super::files::{dated, key_pem, new_key, refuse_existing, save_certificate, save_key};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Days that an authority lives: five years.
const DAYS_DEFAULT: u64 = 1825;

/// The row.
pub const CREATE: Command = Command {
    name: "tls ca create",
    synopsis: "Create a new consul CA",
    usage: "[options]",
    about: "Makes an authority: DOMAIN-agent-ca.pem, and its key DOMAIN-agent-ca-key.pem, which whoever reads it can make\n\
            certificates with. Nothing is overwritten.",
    flags: &[
        Flag::new(
            "additional-name-constraint",
            Takes::Text("value"),
            "Another DNS name that certificates may be for, with -name-constraint. May be repeated.",
        ),
        Flag::new("cluster-id", Takes::Text("string"), "Identity of the cluster, added as a SPIFFE name."),
        Flag::new("common-name", Takes::Text("string"), "Name of the authority."),
        Flag::new("days", Takes::Uint, "Days that it is valid; 1825, which are five years, by default."),
        Flag::new("domain", Takes::Text("string"), "DNS domain of the cluster; consul by default."),
        Flag::new(
            "name-constraint",
            Takes::Bool,
            "Let certificates be for localhost, the domain and the names of -additional-name-constraint only. Names \
             cannot be added later.",
        ),
    ],
    shared: Shared::None,
    run: Run::Once(create),
};

fn create(parsed: &Parsed) -> Outcome {
    let domain = parsed.text("domain").unwrap_or("consul");
    let (cert_file, key_file) = (format!("{domain}-agent-ca.pem"), format!("{domain}-agent-ca-key.pem"));
    refuse_existing(&cert_file)?;
    refuse_existing(&key_file)?;
    let failed = |error: rcgen::Error| Failure::new(format!("cannot make the authority: {error}"));
    let key = new_key()?;
    let (mut params, serial) = dated(parsed, DAYS_DEFAULT, &key)?;
    let name = parsed.text("common-name").map_or_else(|| format!("Consul Agent CA {serial}"), str::to_owned);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if let Some(id) = parsed.text("cluster-id") {
        let uri = format!("spiffe://{id}.{domain}").try_into().map_err(failed)?;
        params.subject_alt_names.push(SanType::URI(uri));
    }
    if parsed.is_set("name-constraint") {
        let names = parsed.values("additional-name-constraint").chain([domain, "localhost"]);
        let permitted_subtrees = names.map(|name| GeneralSubtree::DnsName(name.to_owned())).collect();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    }
    let certificate = params.self_signed(&key).map_err(failed)?;
    save_certificate(&cert_file, &super::files::pem("CERTIFICATE", certificate.der()))?;
    save_key(&key_file, &key_pem(&key)?)?;
    Ok(Report::lines([format!("==> Saved {cert_file}"), format!("==> Saved {key_file}")]))
}
