//! What we say when a call cannot be done: code, description, where; place: frame and report.
//!
//! Two codes are spelled differently in the first JSON version, on purpose of its authors: either spelling is read, the right one is
//! written. Never: a negative answer (Rejected, Invalid), which is a result and no fault.

use crate::version::{CodeNames, Version};

/// The most characters of a description (OCPP 2.0.1 part 4, 4.2.3).
pub const DESCRIPTION_CHARS_MAX: usize = 255;

/// The error codes of OCPP over JSON (2.0.1 part 4, 4.3), by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultCode {
    /// The payload is syntactically wrong.
    Format,
    /// Anything no other code tells; also what an unknown code is read as.
    Generic,
    /// The receiver failed.
    Internal,
    /// The number of the message type is not supported (second family only).
    MessageTypeNotSupported,
    /// The action is not known.
    NotImplemented,
    /// The action is known and not supported.
    NotSupported,
    /// A member is missing where it must be, or there are too many or too few.
    OccurrenceConstraint,
    /// A value is not allowed.
    PropertyConstraint,
    /// The payload does not have the structure of its message.
    Protocol,
    /// The frame is no valid call, for example because its id cannot be read (second family only).
    RpcFramework,
    /// A matter of security.
    Security,
    /// A value has the wrong type.
    TypeConstraint,
}

/// A call that failed: what CALLERROR says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {description}")]
pub struct CallFault {
    code: FaultCode,
    description: Box<str>,
    path: Option<Box<str>>,
}

// === impl FaultCode ===

impl FaultCode {
    /// All codes.
    pub const ALL: [Self; 12] = [
        Self::Format,
        Self::Generic,
        Self::Internal,
        Self::MessageTypeNotSupported,
        Self::NotImplemented,
        Self::NotSupported,
        Self::OccurrenceConstraint,
        Self::PropertyConstraint,
        Self::Protocol,
        Self::RpcFramework,
        Self::Security,
        Self::TypeConstraint,
    ];

    /// The spelling of a version. A code the version does not have becomes its general one.
    #[must_use]
    pub const fn as_wire(self, version: Version) -> &'static str {
        let names = version.rpc_rules().code_names;
        match (self, names) {
            (Self::Format, CodeNames::First) => "FormationViolation",
            (Self::OccurrenceConstraint, CodeNames::First) => "OccurenceConstraintViolation",
            (Self::MessageTypeNotSupported | Self::RpcFramework, CodeNames::First) => "GenericError",
            (_, CodeNames::First | CodeNames::Second) => self.as_str(),
        }
    }

    /// The spelling of the second family; also the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Format => "FormatViolation",
            Self::Generic => "GenericError",
            Self::Internal => "InternalError",
            Self::MessageTypeNotSupported => "MessageTypeNotSupported",
            Self::NotImplemented => "NotImplemented",
            Self::NotSupported => "NotSupported",
            Self::OccurrenceConstraint => "OccurrenceConstraintViolation",
            Self::PropertyConstraint => "PropertyConstraintViolation",
            Self::Protocol => "ProtocolError",
            Self::RpcFramework => "RpcFrameworkError",
            Self::Security => "SecurityError",
            Self::TypeConstraint => "TypeConstraintViolation",
        }
    }

    /// The code for a member that is missing: "incomplete" in the first version, "occurrence" in the second family.
    #[must_use]
    pub const fn of_missing_member(version: Version) -> Self {
        match version.rpc_rules().code_names {
            CodeNames::First => Self::Protocol,
            CodeNames::Second => Self::OccurrenceConstraint,
        }
    }

    /// The code for a member that the message does not have: a payload that is "not the PDU structure".
    #[must_use]
    pub const fn of_unknown_member(version: Version) -> Self {
        match version.rpc_rules().code_names {
            CodeNames::First => Self::Format,
            CodeNames::Second => Self::Protocol,
        }
    }

    /// Reads either spelling, whatever the version: peers mix them up. An unknown code is [`FaultCode::Generic`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "FormationViolation" => Self::Format,
            "OccurenceConstraintViolation" => Self::OccurrenceConstraint,
            _ => Self::ALL.into_iter().find(|code| code.as_str() == text).unwrap_or(Self::Generic),
        }
    }
}

// === impl CallFault ===

impl CallFault {
    /// A fault; of the description the first 255 characters are kept.
    #[must_use]
    pub fn new(code: FaultCode, description: &str) -> Self {
        let kept = match description.char_indices().nth(DESCRIPTION_CHARS_MAX) {
            Some((end, _)) => description.get(..end).unwrap_or_default(),
            None => description,
        };
        Self { code, description: kept.into(), path: None }
    }

    /// The same fault, with the JSON pointer (RFC 6901) of the member that is wrong; it becomes `errorDetails.path`.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = (!path.is_empty()).then(|| path.into());
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> FaultCode {
        self.code
    }

    /// At most 255 characters, lower case, no full stop; may be empty.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The JSON pointer of the member that is wrong, when it is one member.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_spelling_and_reads_the_others() {
        let [oldest, middle, newest] = Version::ALL;
        let check = |code: FaultCode, first: &str, second: &str| {
            assert_eq!(code.as_wire(oldest), first);
            assert_eq!(code.as_wire(middle), second);
            assert_eq!(code.as_wire(newest), second);
            assert_eq!(FaultCode::parse(second), code);
        };
        check(FaultCode::Format, "FormationViolation", "FormatViolation");
        check(
            FaultCode::OccurrenceConstraint,
            "OccurenceConstraintViolation",
            "OccurrenceConstraintViolation",
        );
        check(FaultCode::RpcFramework, "GenericError", "RpcFrameworkError");
        check(FaultCode::MessageTypeNotSupported, "GenericError", "MessageTypeNotSupported");
        check(FaultCode::Protocol, "ProtocolError", "ProtocolError");
        assert_eq!(FaultCode::parse("FormationViolation"), FaultCode::Format);
        assert_eq!(FaultCode::parse("OccurenceConstraintViolation"), FaultCode::OccurrenceConstraint);
        assert_eq!(FaultCode::parse("SomethingOfTheVendor"), FaultCode::Generic);
    }

    #[test]
    fn every_code_is_read_back_from_its_name() {
        for code in FaultCode::ALL {
            assert_eq!(FaultCode::parse(code.as_str()), code);
        }
    }

    #[test]
    fn a_description_is_cut_at_255_characters() {
        let fault = CallFault::new(FaultCode::Format, &"ü".repeat(300)).at("/a/0");
        assert_eq!(fault.description().chars().count(), DESCRIPTION_CHARS_MAX);
        assert_eq!(fault.path(), Some("/a/0"));
        assert_eq!(CallFault::new(FaultCode::Format, "x").at("").path(), None);
    }
}
