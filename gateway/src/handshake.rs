//! A request head into an upgrade we can decide about, or into a refusal: pure, no I/O, no store, no clock.
//!
//! Place on the walk: *socket*, between the listener and the door that knows stations. What is checked here needs
//! nothing but the head itself; whether the station is known, its password right and its version served is the
//! door's to say (`listen::Door`), with the same [`Refusal`].
//!
//! Never here: a password compared, a store asked, a byte written, a 101 for a request that is not whole.

#[cfg(test)]
mod tests;

use actix_http::header::{self, HeaderMap, HeaderName};
use actix_http::{Method, RequestHead, Version};
use aws_lc_rs::digest;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ringmain_certs::identity::PeerCertificate;
use ringmain_domain::id::StationId;
use std::fmt;
use std::net::SocketAddr;

/// Largest request head, in bytes. Source: security.md I5.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The path stations connect to; their identity is the one segment behind it. Source: DESIGN section 5.
pub const PATH_PREFIX: &str = "/ocpp/";

/// RFC 6455, 1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Padding is often forgotten by stations and adds nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Which listener a station came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// Plain TCP: OCPP security profiles 0 and 1.
    Ws,
    /// TLS: OCPP security profiles 2 and 3.
    Wss,
}

/// A password as it stood on the wire: any bytes. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<[u8]>);

/// A whole upgrade request of a station that says who it is; nothing about it is proved yet but the certificate's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// From the path, percent-decoded once.
    pub identity: StationId,
    /// `Sec-WebSocket-Key`, for [`accept_key`].
    pub key: String,
    /// Offered subprotocols in the station's order of preference; may be empty or hold names nobody knows.
    pub protocols: Vec<String>,
    /// HTTP Basic password; its user name was the identity. `None` without an Authorization header.
    pub password: Option<Password>,
    /// The client certificate, chain verified; whether it belongs to this station is the door's to say.
    pub certificate: Option<PeerCertificate>,
    /// The other end of the TCP connection: the balancer's, where one stands in between.
    pub peer: SocketAddr,
    /// Where it came in.
    pub listener: ListenerKind,
}

/// Why an upgrade is refused: metric label and log field. A station sees only the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// The request head is over [`HEAD_BYTES_MAX`].
    HeadTooLarge,
    /// Nothing is at this path.
    PathUnknown,
    /// No `Upgrade: websocket`.
    UpgradeMissing,
    /// An upgrade, but not by GET, HTTP/1.1 and `Connection: Upgrade`.
    UpgradeMalformed,
    /// `Sec-WebSocket-Version` is not 13.
    VersionUnsupported,
    /// `Sec-WebSocket-Key` is absent, repeated or not 16 bytes.
    KeyMalformed,
    /// An Origin header: a browser, never a station (security.md S13).
    OriginPresent,
    /// The path's identity is not one: encoding, length, characters.
    IdentityMalformed,
    /// The client certificate's facts cannot be told without doubt.
    CertificateUnreadable,
    /// An Authorization header that is not HTTP Basic.
    CredentialsMalformed,
    /// The user name is not the path's identity.
    UsernameMismatch,
    /// The door: neither password nor certificate.
    CredentialsMissing,
    /// The door: the password is not this station's.
    CredentialsWrong,
    /// The door: nobody registered this station.
    StationUnknown,
    /// The door: this station is blocked by an operator.
    StationBlocked,
    /// The door: the certificate is another station's, or not bound to any.
    CertificateMismatch,
    /// The door: too many failed attempts from this source at this identity.
    TooManyAttempts,
    /// The door: this identity connects too often.
    TooManyConnects,
    /// The door: too many unknown stations wait for an operator already.
    QuarantineFull,
    /// The door: the identity is connected and alive.
    AlreadyConnected,
    /// The door: this node takes no more for the moment.
    Overloaded,
    /// The door: this node is leaving.
    Draining,
    /// The door: the store does not commit.
    StoreUnavailable,
    /// The door did not decide in time.
    DoorTimeout,
}

/// A refused upgrade. Everything with the same status looks the same on the wire, so that nobody learns which check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, 400-599; usually [`RefusalReason::status`].
    pub status: u16,
    /// For the metric and the log, never for the station.
    pub reason: RefusalReason,
    /// Seconds until another attempt makes sense, as `Retry-After`.
    pub retry_after_s: Option<u32>,
}

// === impl Password ===

impl Password {
    /// The bytes as presented.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

// === impl RefusalReason ===

impl RefusalReason {
    /// All of them, for the generated page and the metric's registration.
    pub const ALL: [Self; 24] = [
        Self::HeadTooLarge,
        Self::PathUnknown,
        Self::UpgradeMissing,
        Self::UpgradeMalformed,
        Self::VersionUnsupported,
        Self::KeyMalformed,
        Self::OriginPresent,
        Self::IdentityMalformed,
        Self::CertificateUnreadable,
        Self::CredentialsMalformed,
        Self::UsernameMismatch,
        Self::CredentialsMissing,
        Self::CredentialsWrong,
        Self::StationUnknown,
        Self::StationBlocked,
        Self::CertificateMismatch,
        Self::TooManyAttempts,
        Self::TooManyConnects,
        Self::QuarantineFull,
        Self::AlreadyConnected,
        Self::Overloaded,
        Self::Draining,
        Self::StoreUnavailable,
        Self::DoorTimeout,
    ];

    /// The label `reason` of the metric `ringmain_socket_refused_total`, and what it means on the wire.
    const fn row(self) -> (&'static str, u16) {
        match self {
            Self::HeadTooLarge => ("head_too_large", 431),
            Self::PathUnknown => ("path_unknown", 404),
            Self::UpgradeMissing => ("upgrade_missing", 426),
            Self::UpgradeMalformed => ("upgrade_malformed", 400),
            Self::VersionUnsupported => ("version_unsupported", 426),
            Self::KeyMalformed => ("key_malformed", 400),
            Self::OriginPresent => ("origin_present", 403),
            Self::IdentityMalformed => ("identity_malformed", 400),
            Self::CertificateUnreadable => ("certificate_unreadable", 403),
            Self::CredentialsMalformed => ("credentials_malformed", 401),
            Self::UsernameMismatch => ("username_mismatch", 401),
            Self::CredentialsMissing => ("credentials_missing", 401),
            Self::CredentialsWrong => ("credentials_wrong", 401),
            Self::StationUnknown => ("station_unknown", 401),
            Self::StationBlocked => ("station_blocked", 401),
            Self::CertificateMismatch => ("certificate_mismatch", 403),
            Self::TooManyAttempts => ("too_many_attempts", 429),
            Self::TooManyConnects => ("too_many_connects", 429),
            Self::QuarantineFull => ("quarantine_full", 429),
            Self::AlreadyConnected => ("already_connected", 409),
            Self::Overloaded => ("overloaded", 503),
            Self::Draining => ("draining", 503),
            Self::StoreUnavailable => ("store_unavailable", 503),
            Self::DoorTimeout => ("door_timeout", 503),
        }
    }

    /// The metric label, snake case.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status this reason has unless the configuration says otherwise (404 for unknown stations).
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().1
    }
}

// === impl Refusal ===

impl Refusal {
    /// The refusal with the reason's own status.
    #[must_use]
    pub const fn new(reason: RefusalReason) -> Self {
        Self { status: reason.status(), reason, retry_after_s: None }
    }

    /// With a `Retry-After`, in seconds.
    #[must_use]
    pub const fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The body: one line that says no more than the status.
    #[must_use]
    pub const fn body(&self) -> &'static str {
        match self.status {
            401 => "authentication required\n",
            403 => "forbidden\n",
            404 => "nothing here\n",
            409 => "already connected\n",
            426 => "stations connect here by WebSocket, version 13\n",
            429 => "too many attempts\n",
            431 => "request head too large\n",
            503 => "not now\n",
            _ => "bad request\n",
        }
    }

    /// The headers that depend on the refusal; `Content-Length` and `Connection: close` are the writer's.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        match self.status {
            401 => headers.push(("WWW-Authenticate", "Basic realm=\"ocpp\", charset=\"UTF-8\"".to_owned())),
            426 => {
                headers.push(("Upgrade", "websocket".to_owned()));
                headers.push(("Sec-WebSocket-Version", "13".to_owned()));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after_s {
            headers.push(("Retry-After", seconds.to_string()));
        }
        headers
    }
}

impl From<RefusalReason> for Refusal {
    fn from(reason: RefusalReason) -> Self {
        Self::new(reason)
    }
}

/// Reads an upgrade request, or says why it is none.
///
/// # Errors
/// The first check that fails, in this order: size, path, upgrade, origin, version, key, identity, credentials.
pub fn parse(
    head: &RequestHead,
    peer: SocketAddr,
    listener: ListenerKind,
    certificate: Option<PeerCertificate>,
) -> Result<UpgradeRequest, Refusal> {
    if head_bytes(head) > HEAD_BYTES_MAX {
        return Err(RefusalReason::HeadTooLarge.into());
    }
    let segment = head.uri.path().strip_prefix(PATH_PREFIX).filter(|segment| !segment.contains('/'));
    let Some(segment) = segment.filter(|segment| !segment.is_empty()) else {
        return Err(RefusalReason::PathUnknown.into());
    };
    check_upgrade(head)?;
    let headers = head.headers();
    if headers.contains_key(header::ORIGIN) {
        return Err(RefusalReason::OriginPresent.into());
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(RefusalReason::VersionUnsupported.into());
    }
    let key = key(headers).ok_or(RefusalReason::KeyMalformed)?;
    let identity = identity(segment).ok_or(RefusalReason::IdentityMalformed)?;
    let password = password(headers, &identity)?;
    let protocols = tokens(headers, header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
    Ok(UpgradeRequest { identity, key, protocols, password, certificate, peer, listener })
}

/// The value of `Sec-WebSocket-Accept` for a key (RFC 6455, 4.2.2).
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(ACCEPT_SUFFIX.as_bytes());
    STANDARD.encode(context.finish())
}

/// The head of the 101, with the chosen subprotocol or without one.
#[must_use]
pub fn switching_protocols(key: &str, subprotocol: Option<&str>) -> String {
    let protocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{protocol}\r\n",
        accept_key(key)
    )
}

/// The head as it stood on the wire, but for optional white space.
fn head_bytes(head: &RequestHead) -> usize {
    let target = head.uri.path_and_query().map_or(1, |target| target.as_str().len());
    let line = head.method.as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let fields =
        head.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + fields.sum::<usize>() + "\r\n".len()
}

fn check_upgrade(head: &RequestHead) -> Result<(), RefusalReason> {
    let has =
        |name, wanted: &str| tokens(head.headers(), name).any(|token| token.eq_ignore_ascii_case(wanted));
    if !has(header::UPGRADE, "websocket") {
        return Err(RefusalReason::UpgradeMissing);
    }
    // A body has no meaning here, and bytes of it would be read as frames.
    let has_body = head.headers().contains_key(header::TRANSFER_ENCODING)
        || head.headers().get_all(header::CONTENT_LENGTH).any(|length| length.as_bytes() != b"0");
    if head.method != Method::GET
        || head.version != Version::HTTP_11
        || has_body
        || !has(header::CONNECTION, "upgrade")
    {
        return Err(RefusalReason::UpgradeMalformed);
    }
    Ok(())
}

/// The header's value if it stands there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes().trim_ascii())
}

/// All comma-separated tokens of all headers of this name, in order, the empty ones left out.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn key(headers: &HeaderMap) -> Option<String> {
    let key = single(headers, &header::SEC_WEBSOCKET_KEY)?;
    let is_whole = LENIENT.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    if is_whole { str::from_utf8(key).ok().map(str::to_owned) } else { None }
}

/// The path segment decoded exactly once (reference: OCPP-J, the identity in the connection URL).
fn identity(segment: &str) -> Option<StationId> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next()?)?;
            let low = hex_digit(bytes.next()?)?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    StationId::new(str::from_utf8(&decoded).ok()?).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Basic credentials are bytes: the password may hold ':' and need not be UTF-8 (OCPP 1.6 AuthorizationKey).
fn password(headers: &HeaderMap, identity: &StationId) -> Result<Option<Password>, RefusalReason> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let value = single(headers, &header::AUTHORIZATION).ok_or(RefusalReason::CredentialsMalformed)?;
    let encoded = value.split_first_chunk::<6>().filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "));
    let credentials = encoded.and_then(|(_, encoded)| LENIENT.decode(encoded.trim_ascii()).ok());
    let credentials = credentials.ok_or(RefusalReason::CredentialsMalformed)?;
    let colon =
        credentials.iter().position(|byte| *byte == b':').ok_or(RefusalReason::CredentialsMalformed)?;
    let (name, password) = credentials.split_at_checked(colon).ok_or(RefusalReason::CredentialsMalformed)?;
    if name != identity.as_str().as_bytes() {
        return Err(RefusalReason::UsernameMismatch);
    }
    Ok(Some(Password(password.get(1..).unwrap_or_default().into())))
}
