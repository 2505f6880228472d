//! Nouns into the objects of a version.

use ringmain_domain::cdr::CdrKind;
use ringmain_domain::tariff;
use ringmain_store::partners::drivers::{PartnerCdr, PartnerSession};
use ringmain_store::partners::lists::PublishedLocation;
use ringmain_store::partners::{Partner, PartnerRole};

use super::{Dialect, Said};
use crate::ocpi::v211::{command, from_v221, types as v211};
use crate::ocpi::v221::to_wire;
use crate::ocpi::v221::types as v221;
use crate::ocpi::v221::types::command::{
    CommandResponse, CommandResponseType, CommandResult, CommandResultType,
};
use crate::ocpi::v221::types::token::LocationReferences;
use crate::ocpi::v221::types::version::{Endpoint, InterfaceRole, ModuleId, VersionDetails};
use crate::ocpi::v230::{bridge, types as v230};
use crate::service::locations::{Connector, Evse};

/// Version details.
pub type Details = Said<v211::VersionDetails, VersionDetails>;
/// Credentials.
pub type Credentials = Said<v211::Credentials, v221::credentials::Credentials, v230::Credentials>;
/// A location.
pub type Location = Said<v211::location::Location, v221::location::Location, v230::location::Location>;
/// An EVSE.
pub type WireEvse = Said<v211::location::Evse, v221::location::Evse, v230::location::Evse>;
/// A connector.
pub type WireConnector =
    Said<v211::location::Connector, v221::location::Connector, v230::location::Connector>;
/// A tariff.
pub type Tariff = Said<v211::Tariff, v221::tariff::Tariff, v230::Tariff>;
/// A session.
pub type Session = Said<v211::Session, v221::session::Session, v230::Session>;
/// A bill record.
pub type Cdr = Said<v211::Cdr, v221::cdr::Cdr, v230::Cdr>;
/// A token.
pub type Token = Said<v211::Token, v221::token::Token>;

/// What a version has no words for, in words for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsayable(pub &'static str);

impl Dialect {
    /// What we offer in this version: modules with their side and address.
    pub fn details<'a>(self, modules: impl IntoIterator<Item = (&'a str, InterfaceRole, String)>) -> Details {
        let version = self.as_str().to_owned();
        let modules = modules.into_iter();
        match self {
            // One address serves both sides: the caller's role decides (OCPI 2.1.1, version information endpoint).
            Self::V211 => {
                let endpoint = |(module, _, url): (&str, InterfaceRole, String)| v211::Endpoint {
                    identifier: ModuleId::from(module),
                    url,
                };
                Said::Old(v211::VersionDetails { version, endpoints: modules.map(endpoint).collect() })
            }
            Self::V221 | Self::V230 => {
                let endpoint = |(module, role, url): (&str, InterfaceRole, String)| Endpoint {
                    identifier: ModuleId::from(module),
                    role,
                    url,
                };
                Said::Mid(VersionDetails { version, endpoints: modules.map(endpoint).collect() })
            }
        }
    }

    /// Our credentials, with the token a partner is to show.
    #[must_use]
    pub fn credentials(self, partner: &Partner, token: String) -> Credentials {
        match self {
            Self::V211 => {
                let own = (token, partner.versions_url.to_string());
                Said::Old(from_v221::credentials(own, to_wire::role(&partner.ours)))
            }
            Self::V221 => Said::Mid(to_wire::credentials(partner, token)),
            Self::V230 => Said::New(bridge::credentials_up(to_wire::credentials(partner, token))),
        }
    }

    /// A location with its EVSEs.
    #[must_use]
    pub fn location(self, ours: &PartnerRole, published: &PublishedLocation) -> Location {
        let location = to_wire::location(ours, published);
        match self {
            Self::V211 => Said::Old(from_v221::location(location)),
            Self::V221 => Said::Mid(location),
            Self::V230 => Said::New(bridge::location::location_up(location)),
        }
    }

    /// An EVSE with its connectors; `None`: the version has no word for any of its plugs.
    #[must_use]
    pub fn evse(self, from: &Evse) -> Option<WireEvse> {
        let evse = to_wire::evse(from);
        match self {
            Self::V211 => from_v221::evse(evse).map(Said::Old),
            Self::V221 => Some(Said::Mid(evse)),
            Self::V230 => Some(Said::New(bridge::location::evse_up(evse))),
        }
    }

    /// A connector; `None`: the version has no word for its plug.
    #[must_use]
    pub fn connector(self, from: &Connector) -> Option<WireConnector> {
        let connector = to_wire::connector(from);
        match self {
            Self::V211 => from_v221::connector(connector).map(Said::Old),
            Self::V221 => Some(Said::Mid(connector)),
            Self::V230 => Some(Said::New(bridge::location::connector_up(connector))),
        }
    }

    /// A tariff; `None`: it prices nothing but reservations, or by current, which the version does not know.
    #[must_use]
    pub fn tariff(self, ours: &PartnerRole, from: &tariff::Tariff) -> Option<Tariff> {
        match self {
            Self::V211 => from_v221::tariff(to_wire::tariff::tariff(ours, from)).map(Said::Old),
            Self::V221 => Some(Said::Mid(to_wire::tariff::tariff(ours, from))),
            Self::V230 => Some(Said::New(crate::ocpi::v230::to_wire::tariff(ours, from))),
        }
    }

    /// A session; `None`: the version tells its whole location, and nobody knows that any more.
    #[must_use]
    pub fn session(self, ours: &PartnerRole, from: &PartnerSession) -> Option<Session> {
        let session = to_wire::session(ours, from);
        match self {
            Self::V211 => {
                let location = from.location.as_ref()?;
                let at = to_wire::place(ours, location, (&from.session, from.hardware.as_ref()));
                Some(Said::Old(from_v221::session(session, at)))
            }
            Self::V221 => Some(Said::Mid(session)),
            Self::V230 => Some(Said::New(bridge::session_up(session))),
        }
    }

    /// A bill record.
    ///
    /// # Errors
    /// It takes another one back or stands in its place, and the version has no credits: it would be read as a bill, or be paid as a second one.
    pub fn cdr(self, ours: &PartnerRole, from: &PartnerCdr) -> Result<Cdr, Unsayable> {
        let cdr = to_wire::cdr::cdr(ours, from, &[]);
        match self {
            Self::V211 if from.cdr.kind() == CdrKind::Correction => Err(Unsayable(
                "OCPI 2.1.1 has no credits, so the bill before this one stands: settle both with the partner by hand",
            )),
            Self::V211 => {
                let at = to_wire::place(ours, &from.location, (&from.session, from.hardware.as_ref()));
                let told = from_v221::cdr(cdr, at).map(Said::Old);
                told.ok_or(Unsayable("OCPI 2.1.1 has no credits: settle this one with the partner by hand"))
            }
            Self::V221 => Ok(Said::Mid(cdr)),
            Self::V230 => Ok(Said::New(bridge::cdr_up(cdr))),
        }
    }

    /// A partner's own token, as it told it.
    #[must_use]
    pub fn token(self, token: v221::token::Token) -> Token {
        match self {
            Self::V211 => Said::Old(from_v221::token(token)),
            Self::V221 | Self::V230 => Said::Mid(token),
        }
    }

    /// The place about which a driver's company is asked.
    #[must_use]
    pub fn location_references(
        self,
        from: LocationReferences,
    ) -> Said<v211::LocationReferences, LocationReferences> {
        match self {
            Self::V211 => Said::Old(from_v221::location_references(from)),
            Self::V221 | Self::V230 => Said::Mid(from),
        }
    }

    /// The answer to a command at once: after so many seconds nobody need wait any more.
    #[must_use]
    pub fn command_response(
        self,
        result: CommandResponseType,
        timeout: u32,
    ) -> Said<v211::command::CommandResponse, CommandResponse> {
        match self {
            Self::V211 => Said::Old(command::response(result)),
            Self::V221 | Self::V230 => Said::Mid(CommandResponse { result, timeout, message: Vec::new() }),
        }
    }

    /// How a command ended.
    #[must_use]
    pub fn command_result(
        self,
        result: CommandResultType,
    ) -> Said<v211::command::CommandResponse, CommandResult> {
        match self {
            Self::V211 => Said::Old(command::result(result)),
            Self::V221 | Self::V230 => Said::Mid(CommandResult { result, message: Vec::new() }),
        }
    }
}
