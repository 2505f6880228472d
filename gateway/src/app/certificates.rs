//! Certificates of the station listener: configured files, or those of a development CA; read again every minute, so that whoever renews
//! them needs no restart. And so are those of the cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use ringmain_certs::chain::CertificateFiles;
use ringmain_certs::dev_ca::folder;
use ringmain_certs::node::NodeTls;
use ringmain_certs::reload::Change;
use ringmain_certs::server::{ClientAuth, ServerSettings, ServerTls};
use ringmain_certs::verifier::ClientCa;

use crate::config::{ClientCertificate, Config};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// The certificates in force.
pub(super) struct Certificates {
    tls: ServerTls,
    /// The folder of the development CA, where its certificates are used.
    dev_folder: Option<PathBuf>,
}

/// Where the development CA lives.
#[must_use]
pub fn pki_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("pki")
}

// === impl Certificates ===

impl Certificates {
    /// Reads the configured files, or those of the development CA, which is made first where there is none. With them the CA's
    /// certificate, where it is ours.
    ///
    /// # Errors
    /// A file that cannot be used, by name.
    pub(super) fn load(config: &Config) -> anyhow::Result<(Self, Option<PathBuf>)> {
        let named = config.tls.certificate.clone().zip(config.tls.key.clone());
        let (files, dev_folder, dev_ca) = match named {
            Some((chain_pem, key_pem)) => (CertificateFiles { chain_pem, key_pem }, None, None),
            None => {
                let folder = pki_folder(&config.data_dir);
                let pki = folder::ensure(&folder, &[], SystemTime::now())
                    .context("make development certificates")?;
                (pki.server(), Some(folder), Some(pki.ca_pem))
            }
        };
        let mut settings = ServerSettings::new(files);
        let crl_pem = config.tls.client_crl.clone();
        let client_ca = config.tls.client_ca.clone().or_else(|| dev_ca.clone());
        let client_ca = client_ca.map(|ca_pem| ClientCa { ca_pem, crl_pem });
        settings.client_auth = match (config.tls.client_certificate, client_ca) {
            (ClientCertificate::Off, _) | (ClientCertificate::Optional, None) => ClientAuth::Off,
            (ClientCertificate::Optional, Some(ca)) => ClientAuth::Optional(ca),
            (ClientCertificate::Required, Some(ca)) => ClientAuth::Required(ca),
            (ClientCertificate::Required, None) => {
                anyhow::bail!(
                    "tls.client_certificate is required, so tls.client_ca must name the CAs of the stations"
                )
            }
        };
        let tls = ServerTls::load(settings).context("tls: load the certificates of the station listener")?;
        Ok((Self { tls, dev_folder }, dev_ca))
    }

    pub(super) fn config(&self) -> Arc<rustls::ServerConfig> {
        self.tls.config()
    }

    /// Keeps them fresh, for ever.
    pub(super) async fn keep_fresh(mut self) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.refresh(SystemTime::now());
        }
    }

    /// What changed is in force for the next handshake; one wrong file keeps all old ones in force.
    fn refresh(&mut self, now: SystemTime) {
        let renewed = self.dev_folder.as_ref().map(|folder| folder::ensure(folder, &[], now));
        if let Some(Err(error)) = renewed {
            tracing::error!(%error, "development certificates cannot be renewed");
        }
        match self.tls.reload() {
            Ok(changes) => changes.iter().for_each(tell),
            Err(error) => tracing::error!(%error, "new certificates cannot be used, the old ones stay"),
        }
    }
}

/// Keeps the certificates fresh that nodes show each other, for ever.
pub(super) async fn keep_nodes_fresh(tls: NodeTls) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match tls.reload() {
            Ok(true) => tracing::info!("other certificates of the cluster are in force"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "new certificates of the cluster cannot be used, the old ones stay")
            }
        }
    }
}

fn tell(change: &Change) {
    match change {
        Change::ServerCertificate { chain_pem, sha256_fingerprint, .. } => {
            tracing::info!(file = %chain_pem.display(), sha256_fingerprint, "another server certificate is in force");
        }
        Change::ClientCa { ca_pem } => {
            tracing::info!(file = %ca_pem.display(), "other client CAs or revocations are in force");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn fingerprint(certificates: &Certificates) -> String {
        certificates.tls.certificates().unwrap().remove(0).sha256_fingerprint
    }

    #[test]
    fn a_development_certificate_is_renewed_under_a_running_listener() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        let (mut certificates, ca) = Certificates::load(&config).unwrap();
        assert!(ca.is_some());
        let first = fingerprint(&certificates);
        certificates.refresh(SystemTime::now());
        assert_eq!(fingerprint(&certificates), first, "good ones stay");
        certificates.refresh(SystemTime::now() + 61 * DAY);
        assert_ne!(fingerprint(&certificates), first);
    }

    #[test]
    fn names_given_before_the_start_stay() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        let names = ["csms.example.org".to_owned()];
        folder::ensure(&pki_folder(folder.path()), &names, SystemTime::now()).unwrap();
        let (certificates, _) = Certificates::load(&config).unwrap();
        let named = certificates.tls.certificates().unwrap().remove(0);
        assert!(format!("{named:?}").contains("csms.example.org"), "{named:?}");
    }
}
