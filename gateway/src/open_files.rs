//! How many files, and so sockets, this process may hold: as many as the system lets it, and some of them are not for stations.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept back for the store, the http and ops listeners, and files.
const RESERVE: usize = 512;

/// Raises the limit on open files as far as this process may, and tells it; `usize::MAX`: there is none.
#[must_use]
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // A system that does not let us keeps the limit it had.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many sockets of stations a listener may hold: what was configured, or what the limit on open files leaves.
#[must_use]
pub fn for_stations(configured: usize, open_files: usize) -> usize {
    configured.min(open_files.saturating_sub(RESERVE)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_and_stations_leave_some_to_the_others() {
        let raised = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
        assert!(raised > RESERVE);
        assert_eq!(for_stations(100_000, 20_000), 20_000 - RESERVE);
        assert_eq!(for_stations(1_000, 20_000), 1_000);
        assert_eq!(for_stations(1_000, 100), 1);
    }
}
