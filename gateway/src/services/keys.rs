//! API keys: who calls, and what the caller may do. Tokens are random and long; only their SHA-256 is stored (A6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringmain_domain::access::{AccessRole, Permission};
use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use ringmain_store::access::ApiKey;
use ringmain_store::store::{Store, StoreError};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::audit;
use super::refusal::{Flaw, Refusal, check_text};
use crate::clock;
use crate::credentials::{CredentialsError, random};
use crate::house::House;
use crate::secret::Secret;

/// What every token of ours starts with, so that secret scanners find one that leaked.
pub const TOKEN_PREFIX: &str = "rmk_";
/// Randomness of a token, in bytes.
const TOKEN_BYTES: usize = 32;
/// The longest token that is looked at: a bootstrap token may have any form.
const TOKEN_MAX_CHARS: usize = 512;
/// The most characters of a key's name.
const NAME_MAX_CHARS: usize = 100;
/// The most keys of a tenant that are not revoked.
pub const KEYS_MAX: usize = 1_000;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose data the caller may see.
    pub tenant: TenantId,
    /// The key.
    pub key_id: Uuid,
    /// The key's name.
    pub name: Box<str>,
    /// What the caller may do.
    pub role: AccessRole,
    /// SHA-256 of the token: long-lived sessions look the key up again by it.
    pub hash: Vec<u8>,
    /// How the caller came.
    pub via: Via,
}

/// How somebody comes to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// With an API key.
    ApiKey,
    /// Through the broker, which knows who it is.
    Broker,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name, for people.
    pub name: Box<str>,
    /// What it may do.
    pub role: AccessRole,
    /// Until when it is valid; for ever when absent.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made, with its token, which is never shown again.
#[derive(Debug, Clone)]
pub struct MadeKey {
    /// The key.
    pub key: ApiKey,
    /// Its token.
    pub token: Secret,
}

/// The first key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// No randomness.
    #[error(transparent)]
    Random(#[from] CredentialsError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Caller ===

impl Caller {
    /// May the caller do that?
    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }

    /// The name under which the caller stands in audit events and commands.
    #[must_use]
    pub fn actor(&self) -> Box<str> {
        match self.via {
            Via::ApiKey => format!("api-key:{}", self.name).into(),
            Via::Broker => self.name.clone(),
        }
    }

    /// Whoever the broker let write to a tenant's topics.
    #[must_use]
    pub fn of_broker(tenant: TenantId) -> Self {
        let (name, role) = ("mqtt".into(), AccessRole::Operator);
        Self { tenant, key_id: Uuid::nil(), name, role, hash: Vec::new(), via: Via::Broker }
    }
}

/// What is stored of a token.
#[must_use]
pub fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// A new token.
///
/// # Errors
/// The system gives no random bytes.
pub fn new_token() -> Result<Secret, CredentialsError> {
    Ok(Secret::new(&format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random(TOKEN_BYTES)?))))
}

/// Who presents this token; `None` when nobody valid does, without telling why.
///
/// # Errors
/// The store's.
pub async fn authenticate(store: &Store, token: &str) -> Result<Option<Caller>, StoreError> {
    if token.is_empty() || token.len() > TOKEN_MAX_CHARS {
        return Ok(None);
    }
    caller_of(store, hash(token)).await
}

/// Is the key of this caller still valid? Also takes over a changed role.
///
/// # Errors
/// The store's.
pub async fn caller_again(store: &Store, caller: &Caller) -> Result<Option<Caller>, StoreError> {
    caller_of(store, caller.hash.clone()).await
}

async fn caller_of(store: &Store, hash: Vec<u8>) -> Result<Option<Caller>, StoreError> {
    let now = clock::now();
    let key = store.api_key_by_hash(&hash).await?.filter(|key| is_valid(key, now));
    Ok(key.map(|key| Caller {
        tenant: key.tenant,
        key_id: key.id,
        name: key.name,
        role: key.role,
        hash,
        via: Via::ApiKey,
    }))
}

fn is_valid(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// Makes a key.
///
/// # Errors
/// A flaw of name or end; a conflict when the tenant has [`KEYS_MAX`] valid keys; the store's.
pub async fn make(house: &House, caller: &Caller, new: NewKey) -> Result<MadeKey, Refusal> {
    let now = clock::now();
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/name", &new.name, NAME_MAX_CHARS);
    if new.expires_at.is_some_and(|end| end <= now) {
        flaws.push(Flaw::new("/expires_at", "must lie in the future"));
    }
    Refusal::unless_sound(flaws)?;
    let valid = house.store.api_keys(&caller.tenant).await?.iter().filter(|key| is_valid(key, now)).count();
    if valid >= KEYS_MAX {
        return Err(Refusal::conflict(format!("there are {KEYS_MAX} valid keys already: revoke some first")));
    }
    let token = new_token().map_err(|cause| Refusal::Store(no_random(&cause)))?;
    let key = ApiKey {
        id: Uuid::now_v7(),
        tenant: caller.tenant.clone(),
        name: new.name,
        role: new.role,
        hash: hash(token.reveal()),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    if !house.store.insert_api_key(&key).await? {
        return Err(Refusal::conflict("a key with this id exists"));
    }
    let detail =
        json!({"name": key.name, "role": key.role, "expires_at": key.expires_at.map(|at| at.to_string())});
    audit::record(house, caller, "api_key.created", &format!("api-keys/{}", key.id), &detail).await?;
    Ok(MadeKey { key, token })
}

/// Revokes a key at once. A revoked key stays in the list.
///
/// # Errors
/// Absent; a conflict when it is the tenant's last valid administrator key; the store's.
pub async fn revoke(house: &House, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    let now = clock::now();
    let keys = house.store.api_keys(&caller.tenant).await?;
    let administrators =
        || keys.iter().filter(|key| key.role == AccessRole::Administrator && is_valid(key, now));
    if administrators().count() == 1 && administrators().any(|key| key.id == id) {
        return Err(Refusal::conflict("this is the last valid administrator key: make another one first"));
    }
    if !house.store.revoke_api_key(&caller.tenant, id, now).await? {
        return Err(Refusal::absent("valid API key", id));
    }
    audit::record(house, caller, "api_key.revoked", &format!("api-keys/{id}"), &json!({})).await?;
    Ok(())
}

/// At the start of a node: makes an administrator key with the configured token unless it exists, or, without one, a random key if there
/// is no key at all. Returns a token that was made up here, to be shown once.
///
/// # Errors
/// No randomness, or the store's.
pub async fn bootstrap(
    store: &Store,
    tenant: &TenantId,
    configured: Option<&Secret>,
) -> Result<Option<Secret>, BootstrapError> {
    let (token, made_up) = match configured {
        Some(token) if store.api_key_by_hash(&hash(token.reveal())).await?.is_some() => return Ok(None),
        Some(token) => (token.clone(), false),
        None if store.any_api_key().await? => return Ok(None),
        None => (new_token()?, true),
    };
    let key = ApiKey {
        id: Uuid::now_v7(),
        tenant: tenant.clone(),
        name: "bootstrap".into(),
        role: AccessRole::Administrator,
        hash: hash(token.reveal()),
        created_at: clock::now(),
        expires_at: None,
        revoked_at: None,
    };
    // False: another node was first with the same token, which is as good.
    let inserted = store.insert_api_key(&key).await?;
    Ok((made_up && inserted).then_some(token))
}

/// No randomness is as bad as no store: nothing can be made until the machine is looked at.
pub(super) fn no_random(cause: &CredentialsError) -> StoreError {
    StoreError::Unavailable { reason: cause.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_prefixed_and_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert!(one.reveal().starts_with("rmk_"));
        assert_eq!(one.reveal().len(), 4 + 43);
        assert_ne!(one, other);
        assert_ne!(hash(one.reveal()), hash(other.reveal()));
    }

    #[test]
    fn a_revoked_or_expired_key_is_not_valid() {
        let key = |expires_at, revoked_at| ApiKey {
            id: Uuid::nil(),
            tenant: TenantId::default_tenant(),
            name: "k".into(),
            role: AccessRole::Viewer,
            hash: Vec::new(),
            created_at: Timestamp::from_millis(0),
            expires_at,
            revoked_at,
        };
        let at = |millis| Some(Timestamp::from_millis(millis));
        let now = Timestamp::from_millis(10);
        assert!(is_valid(&key(None, None), now));
        assert!(is_valid(&key(at(11), None), now));
        assert!(!is_valid(&key(at(10), None), now));
        assert!(!is_valid(&key(None, at(9)), now));
    }
}
