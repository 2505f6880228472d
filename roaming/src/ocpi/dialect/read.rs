//! Bodies of a version, read into the shape in which everything behind the wire thinks: that of 2.2.1.

use serde::de::DeserializeOwned;

use super::Dialect;
use crate::ocpi::patch::Patch;
use crate::ocpi::reading::{self, Answer, Fault, Items};
use crate::ocpi::v211::into_v221::{self, Owner};
use crate::ocpi::v211::{command, types as v211};
use crate::ocpi::v221::from_wire;
use crate::ocpi::v221::types::command::{
    CancelReservation, CommandType, ReserveNow, StartSession, StopSession, UnlockConnector,
};
use crate::ocpi::v221::types::credentials::{Credentials, Role};
use crate::ocpi::v221::types::token::{AllowedType, AuthorizationInfo, LocationReferences, Token};
use crate::ocpi::v230::types as v230;
use crate::ocpi::values::{CiString, DateTime};
use crate::partner::Offer;

/// A command, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin to charge.
    Start(StartSession),
    /// Stop.
    Stop(StopSession),
    /// Let a cable go.
    Unlock(UnlockConnector),
    /// Hold an EVSE.
    Reserve(ReserveNow),
    /// Hold it no longer.
    Cancel(CancelReservation),
}

/// What a company says of its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// May it charge?
    pub allowed: AllowedType,
    /// Where; anywhere when absent.
    pub location: Option<LocationReferences>,
    /// The company's own name for what it allowed.
    pub reference: Option<CiString>,
}

impl Dialect {
    /// Reads credentials out of a request.
    ///
    /// # Errors
    /// They are none.
    pub fn read_credentials(self, text: &[u8]) -> Result<Offer, Fault> {
        match self {
            Self::V211 => reading::body(text).map(old_offer),
            Self::V221 => reading::body(text).map(from_wire::offer),
            Self::V230 => reading::body(text).map(crate::ocpi::v230::from_wire::offer),
        }
    }

    /// Reads credentials out of an answer.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn credentials_of(self, answer: Answer) -> Result<Offer, Fault> {
        match self {
            Self::V211 => answer.one().map(old_offer),
            Self::V221 => answer.one::<Credentials>().map(from_wire::offer),
            Self::V230 => answer.one::<v230::Credentials>().map(crate::ocpi::v230::from_wire::offer),
        }
    }

    /// Reads a token of `owner`, which 2.1.1 does not name in it.
    ///
    /// # Errors
    /// It is none.
    pub fn read_token(self, text: &[u8], owner: &Owner) -> Result<Token, Fault> {
        match self {
            Self::V211 => Ok(into_v221::token(reading::body(text)?, owner)),
            Self::V221 | Self::V230 => reading::body(text),
        }
    }

    /// Reads a part of a token. In 2.1.1 it need not say when (`mod_tokens`, PATCH): then it is `now`; and a contract has another name.
    ///
    /// # Errors
    /// It is none.
    pub fn read_token_part(self, text: &[u8], now: DateTime) -> Result<Patch, Fault> {
        match self {
            Self::V211 => Ok(Patch::read_undated(text, now)?.renamed("auth_id", "contract_id")),
            Self::V221 | Self::V230 => Patch::read(text),
        }
    }

    /// Reads a page of the tokens of `owner`.
    ///
    /// # Errors
    /// It is no list.
    pub fn tokens_of(self, answer: Answer, owner: &Owner) -> Result<Items<Token>, Fault> {
        match self {
            Self::V211 => {
                let Items { items, faults, unread } = answer.list::<v211::Token>()?;
                let items = items.into_iter().map(|token| into_v221::token(token, owner)).collect();
                Ok(Items { items, faults, unread })
            }
            Self::V221 | Self::V230 => answer.list(),
        }
    }

    /// Reads what a company says of its driver. In 2.1.1 that is without a reference.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn allowance_of(self, answer: Answer) -> Result<Allowance, Fault> {
        match self {
            Self::V211 => {
                let v211::AuthorizationInfo { allowed, location, .. } = answer.one()?;
                let location = location.map(into_v221::location_references);
                Ok(Allowance { allowed, location, reference: None })
            }
            Self::V221 | Self::V230 => {
                let AuthorizationInfo { allowed, location, authorization_reference, .. } = answer.one()?;
                Ok(Allowance { allowed, location, reference: authorization_reference })
            }
        }
    }

    /// The command of a name; `None`: the version has none of that name. Reservations cannot be taken back in 2.1.1.
    #[must_use]
    pub fn command(self, name: &str) -> Option<CommandType> {
        match (CommandType::from(name), self) {
            (CommandType::Other(_), _) | (CommandType::CancelReservation, Self::V211) => None,
            (known, _) => Some(known),
        }
    }

    /// Reads a command about a driver of `owner`.
    ///
    /// # Errors
    /// It is none of this kind.
    pub fn read_command(self, kind: &CommandType, text: &[u8], owner: &Owner) -> Result<Command, Fault> {
        let is_old = matches!(self, Self::V211);
        match kind {
            CommandType::StartSession if is_old => {
                read(text, |from| Command::Start(command::start(from, owner)))
            }
            CommandType::StartSession => read(text, Command::Start),
            CommandType::StopSession if is_old => read(text, |from| Command::Stop(command::stop(from))),
            CommandType::StopSession => read(text, Command::Stop),
            CommandType::UnlockConnector if is_old => {
                read(text, |from| Command::Unlock(command::unlock(from)))
            }
            CommandType::UnlockConnector => read(text, Command::Unlock),
            CommandType::ReserveNow if is_old => {
                read(text, |from| Command::Reserve(command::reserve(from, owner)))
            }
            CommandType::ReserveNow => read(text, Command::Reserve),
            CommandType::CancelReservation => read(text, Command::Cancel),
            CommandType::Other(name) => Err(Fault::new("/", format!("there is no command {name}"))),
        }
    }
}

fn read<T: DeserializeOwned>(text: &[u8], take: impl FnOnce(T) -> Command) -> Result<Command, Fault> {
    reading::body(text).map(take)
}

/// Who invites a partner invites drivers' companies, so that is what a party without a role is.
fn old_offer(from: v211::Credentials) -> Offer {
    from_wire::offer(into_v221::credentials(from, Role::Emsp))
}
