//! What a 1.6 charge point answers to what we ask.

use ringmain_domain::command::{CommandAnswer, StationCommand};
use ringmain_domain::report::Variable;
use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use crate::quirk::Quirks;
use crate::translate::outcome::{of_list_version, of_status, received, unreadable};
use crate::translate::text::cut;
use crate::version::Version;
use crate::wire::{self, Tolerance, v16};

/// Reads one answer. The action counts, not the command: a raw GetConfiguration is answered like a typed one.
pub(in crate::translate) fn read(
    action: &str,
    _command: &StationCommand,
    payload: &RawValue,
) -> CommandAnswer {
    match action {
        "GetConfiguration" => configuration(payload),
        "GetLocalListVersion" => of_list_version(payload, "listVersion"),
        _ => of_status(payload),
    }
}

fn configuration(payload: &RawValue) -> CommandAnswer {
    let tolerance = Tolerance {
        version: Version::V16,
        strict: false,
        transaction: true,
        judged: false,
        received_at: Timestamp::default(),
    };
    let read = wire::read::<v16::GetConfigurationResponse>(payload, &tolerance, &mut Quirks::default());
    let Ok(response) = read else { return unreadable() };
    let keys = response.configuration_key.unwrap_or_default();
    let variables = keys.into_iter().map(|key| Variable {
        component: "".into(),
        instance: None,
        evse: None,
        name: cut(key.key),
        value: key.value.map(String::into_boxed_str),
        readonly: key.readonly,
    });
    CommandAnswer { variables: variables.collect(), ..received() }
}
