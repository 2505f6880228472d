//! A second socket of one identity: which of the two stays (reliability.md 7.2).

/// Whom the new socket can show to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claimant {
    /// It comes from the address of the old one.
    pub same_source: bool,
    /// It showed the certificate that the old one showed.
    pub same_certificate: bool,
}

/// What became of the old socket when it was asked for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldSocket {
    /// It gave one.
    Alive,
    /// It gave none in time.
    Silent,
    /// Its node has no such connection any more.
    Gone,
    /// Its node cannot be asked, or its lease is over.
    Unreachable,
}

/// Which socket stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// The new one comes in, the old one is dismissed.
    New,
    /// The old one keeps its place, the new one is refused.
    Old,
}

// === impl Claimant ===

impl Claimant {
    /// Must the old socket be asked at all? A station that comes back from where it was, or with the same certificate, is the same station.
    #[must_use]
    pub const fn must_probe(self) -> bool {
        !self.same_source && !self.same_certificate
    }

    /// Which socket stays, after the old one was asked.
    #[must_use]
    pub const fn against(self, old: OldSocket) -> Takeover {
        match old {
            OldSocket::Alive if self.must_probe() => Takeover::Old,
            OldSocket::Alive | OldSocket::Silent | OldSocket::Gone | OldSocket::Unreachable => Takeover::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_socket_yields_to_its_own_station_alone() {
        let stranger = Claimant::default();
        assert_eq!(stranger.against(OldSocket::Alive), Takeover::Old);
        for old in [OldSocket::Silent, OldSocket::Gone, OldSocket::Unreachable] {
            assert_eq!(stranger.against(old), Takeover::New, "{old:?}");
        }
        for same in
            [Claimant { same_source: true, ..stranger }, Claimant { same_certificate: true, ..stranger }]
        {
            assert!(!same.must_probe());
            assert_eq!(same.against(OldSocket::Alive), Takeover::New);
        }
    }
}
