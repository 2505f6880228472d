//! What a 2.x station answers to what we ask.

use ringmain_domain::command::{CommandAnswer, MESSAGES_IN_QUEUE, StationCommand};
use ringmain_domain::id::EvseId;
use ringmain_domain::report::Variable;
use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use crate::quirk::Quirks;
use crate::translate::outcome::{is_yes, of_list_version, of_status, received, unreadable};
use crate::translate::text::with_instance;
use crate::version::Version;
use crate::wire::{self, Payload, Tolerance, v21};

/// Reads one answer. The action counts, not the command: a raw GetVariables is answered like a typed one.
pub(in crate::translate) fn read(
    action: &str,
    _command: &StationCommand,
    payload: &RawValue,
) -> CommandAnswer {
    match action {
        "GetVariables" => tolerant(payload).map_or_else(unreadable, get_variables),
        "SetVariables" => tolerant(payload).map_or_else(unreadable, set_variables),
        "GetTransactionStatus" => tolerant(payload).map_or_else(unreadable, transaction_status),
        "ClearTariffs" => tolerant(payload).map_or_else(unreadable, clear_tariffs),
        "GetLocalListVersion" => of_list_version(payload, "versionNumber"),
        _ => of_status(payload),
    }
}

pub(in crate::translate) fn tolerant<T: Payload>(payload: &RawValue) -> Option<T> {
    let tolerance = Tolerance {
        version: Version::V21,
        strict: false,
        transaction: true,
        judged: false,
        received_at: Timestamp::default(),
    };
    wire::read(payload, &tolerance, &mut Quirks::default()).ok()
}

/// Yes when every variable was read; else the word of the first that was not.
fn get_variables(response: v21::GetVariablesResponse) -> CommandAnswer {
    let words = response.get_variable_result.iter().map(|result| result.attribute_status.as_str());
    let answer = of_words(words);
    let variables = response.get_variable_result.into_iter().map(|result| Variable {
        component: result.component.name.into_boxed_str(),
        instance: result.component.instance.map(String::into_boxed_str),
        evse: result.component.evse.and_then(|evse| u32::try_from(evse.id).ok()).map(EvseId),
        name: with_instance(result.variable.name, result.variable.instance.as_deref()),
        value: result.attribute_value.map(String::into_boxed_str),
        readonly: false,
    });
    CommandAnswer { variables: variables.collect(), ..answer }
}

/// Yes when every variable was set; else the word of the first that was not.
fn set_variables(response: v21::SetVariablesResponse) -> CommandAnswer {
    of_words(response.set_variable_result.iter().map(|result| result.attribute_status.as_str()))
}

fn of_words<'a>(words: impl Iterator<Item = &'a str> + Clone) -> CommandAnswer {
    let first_no = words.clone().find(|word| !is_yes(word));
    // Of several kinds of yes the last is told that asks for something: a reboot.
    let telling_yes = words.clone().find(|word| *word != "Accepted").or_else(|| words.clone().next());
    match (first_no, telling_yes) {
        (Some(word), _) => CommandAnswer { accepted: false, status: word.into(), variables: Vec::new() },
        (None, Some(word)) => CommandAnswer { accepted: true, status: word.into(), variables: Vec::new() },
        (None, None) => unreadable(),
    }
}

/// Yes when none is left: also where there was none.
fn clear_tariffs(response: v21::ClearTariffsResponse) -> CommandAnswer {
    let words = response.clear_tariffs_result.iter().map(|result| result.status.as_str());
    of_words(words.filter(|word| *word != "NoTariff").chain(["Accepted"]))
}

/// There is no word of status: whether messages wait is the answer.
fn transaction_status(response: v21::GetTransactionStatusResponse) -> CommandAnswer {
    let status = if response.messages_in_queue { MESSAGES_IN_QUEUE } else { "QueueEmpty" };
    CommandAnswer { status: status.into(), ..received() }
}
