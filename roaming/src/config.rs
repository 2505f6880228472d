//! What an installation settles for all its partners. The composition root fills it in.

use std::time::Duration;

use crate::guard::Guard;
use crate::public_data::Terms;

/// The settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which addresses of partners are called.
    pub guard: Guard,
    /// CAs of partners that no public one vouches for, in PEM.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// How long a partner may take to say whether a driver may charge, its way there and back included.
    pub authorize_budget: Duration,
    /// How long a partner may take for any other answer.
    pub patience: Duration,
    /// How often the feed is looked at for something new.
    pub look_every: Duration,
    /// How long a lane that met a fault waits before it tries again: the first pause, and the longest.
    pub pauses: (Duration, Duration),
    /// The shortest time between two calls to a partner about the same object, such as an EVSE.
    pub object_pace: Duration,
    /// The most objects of one lane that wait by themselves for the partner to digest them; no more than 200 count.
    pub held_max: usize,
    /// How often old things are forgotten and refused objects looked at again.
    pub tend_every: Duration,
    /// How often results of commands are looked for that nobody else tells.
    pub overdue_every: Duration,
    /// How long a station may take over a partner's command.
    pub command_deadline: Duration,
    /// What is settled for public data; `None`: there is none.
    pub public_data: Option<Terms>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guard: Guard::default(),
            extra_ca_pem: None,
            authorize_budget: Duration::from_millis(2_500),
            patience: Duration::from_secs(10),
            look_every: Duration::from_millis(200),
            pauses: (Duration::from_secs(1), Duration::from_secs(300)),
            object_pace: Duration::from_secs(1),
            held_max: 200,
            tend_every: Duration::from_secs(600),
            overdue_every: Duration::from_secs(10),
            command_deadline: Duration::from_secs(30),
            public_data: None,
        }
    }
}
