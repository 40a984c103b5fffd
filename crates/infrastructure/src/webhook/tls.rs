use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// TLS with the certificates that the machine trusts. One without any can send to `http` receivers alone, which is told once.
pub(super) fn client_config() -> Result<ClientConfig, rustls::Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(
            reasons = %reasons.join("; "),
            "this machine trusts no certificates, so webhooks at https URLs cannot be reached; install ca-certificates"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
