//! The one crypto provider of the process: aws-lc-rs.
//!
//! Place on the walk: none; it is the first line of every `main` and test rig. Never: a second
//! provider. With two in the build and none installed, every library that calls rustls' default
//! builder panics.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Makes aws-lc-rs the process's default provider for libraries that ask for one.
///
/// Call it first in `main`; calling it again, also from several threads, changes nothing.
pub fn install() {
    // An error means only that somebody was faster; no other provider is in the build (deny.toml).
    drop(CryptoProvider::clone(&PROVIDER).install_default());
}

/// The provider itself, shared: every TLS setting of this crate names it instead of relying on
/// the process's default, so that they work before [`install`] too.
#[must_use]
pub fn shared() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests {
    use rustls::crypto::CryptoProvider;

    #[test]
    fn installing_twice_keeps_one_provider() {
        super::install();
        let first = CryptoProvider::get_default().cloned().expect("a provider stands");
        super::install();
        let second = CryptoProvider::get_default().cloned().expect("a provider stands");
        assert!(std::sync::Arc::ptr_eq(&first, &second));
    }
}
