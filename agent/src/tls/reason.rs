//! Why a handshake failed, so that a person can do something about it, on both ends.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The cause of a failed connection.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => of_tls(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the other side closed the connection".to_owned(),
        None => error.to_string(),
    }
}

fn of_tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::NoCertificatesPresented => "it showed no certificate, and verify_incoming wants one".to_owned(),
        Error::InvalidMessage(_) => format!("what it sends is not TLS ({error})"),
        Error::PeerIncompatible(_) => format!("there is no version or cipher suite that both sides have ({error})"),
        Error::General(text) => text.clone(),
        error => error.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("its certificate is for {presented:?}, not for {:?}", expected.to_str())
        }
        CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
        CertificateError::UnknownIssuer => {
            "its certificate is signed by an authority that is not in ca_file".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate may not be used for this (extended key usage)".to_owned()
        }
        error => format!("its certificate is refused: {error}"),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    let told = match alert {
        AlertDescription::CertificateExpired => "the certificate of this agent has expired",
        AlertDescription::UnknownCA => "it does not know the authority of this agent's certificate",
        AlertDescription::CertificateRequired => "it wants a certificate; give this agent a cert_file and a key_file",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it refuses the certificate of this agent"
        }
        AlertDescription::AccessDenied => "it has no certificate to speak TLS with (cert_file, key_file)",
        AlertDescription::ProtocolVersion => "it speaks another version of TLS",
        AlertDescription::HandshakeFailure => {
            "it has no cipher suite in common with this agent, or wants a certificate"
        }
        other => return format!("the other side ended it ({other:?})"),
    };
    format!("the other side says: {told}")
}
