//! Certificates of the public listeners, changed without a restart.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pingora_core::listeners::tls::TlsSettings;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::say;
use crate::settings::Tls;

/// How often the files are looked at: a certificate is renewed days before it expires.
const INTERVAL: Duration = Duration::from_secs(2);

/// The certificate of the moment.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The TLS side of a listener: HTTP/1.1 and h2, and a certificate that follows its files.
///
/// # Errors
/// What is wrong with the files.
pub fn settings(tls: &Tls) -> Result<TlsSettings, String> {
    let current = Arc::new(Current(ArcSwap::from_pointee(load(&tls.cert, &tls.key)?)));
    follow(tls.clone(), Arc::clone(&current));
    let (cert, key) = (tls.cert.to_string_lossy(), tls.key.to_string_lossy());
    let mut settings = TlsSettings::intermediate(&cert, &key).map_err(|error| error.to_string())?;
    settings.set_cert_resolver(current);
    if let Some(authorities) = &tls.client_ca {
        settings.set_client_cert_verifier(clients(authorities)?);
    }
    settings.enable_h2();
    Ok(settings)
}

/// Who verifies the certificates of clients. A client may show none: only a token that is bound to one needs it
/// (RFC 8705 §3).
///
/// # Errors
/// What is wrong with the file.
pub fn clients(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let about = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| about(&error))? {
        roots.add(certificate.map_err(|error| about(&error))?).map_err(|error| about(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    builder.allow_unauthenticated().build().map_err(|error| about(&error))
}

fn follow(tls: Tls, current: Arc<Current>) {
    std::thread::spawn(move || {
        let mut seen = changed(&tls);
        loop {
            std::thread::sleep(INTERVAL);
            let now = changed(&tls);
            if now == seen {
                continue;
            }
            // A pair half written does not fit together: the old one stays, and the next look may find both.
            match load(&tls.cert, &tls.key) {
                Ok(key) => {
                    seen = now;
                    current.0.store(Arc::new(key));
                    say(&format!("tls: {} was read again", tls.cert.display()));
                }
                Err(trouble) => say(&format!("tls: the certificate in use stays: {trouble}")),
            }
        }
    });
}

fn changed(tls: &Tls) -> [Option<SystemTime>; 2] {
    [&tls.cert, &tls.key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn load(cert: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let about = |path: &Path, error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(|error| about(cert, &error))?;
    if chain.is_empty() {
        return Err(about(cert, &"no certificate in PEM form"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| about(key, &error))?;
    let signer = rustls::crypto::ring::sign::any_supported_type(&secret).map_err(|error| about(key, &error))?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(about(key, &format!("not the key of {}", cert.display()))),
    }
}
