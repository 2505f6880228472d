//! The device model in 2.x words: getting, setting, reporting.

use serde_json::{Map, Value, json};

use crate::device_model::{self, Access, Row, Shape, Variable, Written};
use crate::frame::{Fault, FaultCode};
use crate::payload::{Fields, out_of_range};
use crate::rpc::{Outgoing, Purpose};
use crate::station::Station;
use crate::station::evse::Evse;
use crate::station::v2::reports::connector_status;
use crate::unit::Moment;

/// Variables in one NotifyReport; the rest comes in further parts.
const REPORT_PART: usize = 10;
/// Variables in one GetVariables or SetVariables (ItemsPerMessage).
const ITEMS_MAX: usize = 100;

/// Values only computed here: what each EVSE and the station as a whole show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    component: &'static str,
    name: &'static str,
    data_type: &'static str,
    values: Option<&'static str>,
}

const AVAILABILITY: &str = "Available,Occupied,Reserved,Unavailable,Faulted";
const OF_STATION: [Shown; 3] = [
    Shown {
        component: "ChargingStation",
        name: "AvailabilityState",
        data_type: "OptionList",
        values: Some(AVAILABILITY),
    },
    Shown { component: "ChargingStation", name: "Available", data_type: "boolean", values: None },
    Shown { component: "ClockCtrlr", name: "DateTime", data_type: "dateTime", values: None },
];
const OF_EVSE: [Shown; 5] = [
    Shown {
        component: "EVSE",
        name: "AvailabilityState",
        data_type: "OptionList",
        values: Some(AVAILABILITY),
    },
    Shown { component: "EVSE", name: "Available", data_type: "boolean", values: None },
    Shown { component: "EVSE", name: "AllowReset", data_type: "boolean", values: None },
    Shown { component: "EVSE", name: "SupplyPhases", data_type: "integer", values: None },
    Shown { component: "EVSE", name: "Power", data_type: "decimal", values: None },
];
const OF_CONNECTOR: [Shown; 3] = [
    Shown {
        component: "Connector",
        name: "AvailabilityState",
        data_type: "OptionList",
        values: Some(AVAILABILITY),
    },
    Shown { component: "Connector", name: "ConnectorType", data_type: "string", values: None },
    Shown { component: "Connector", name: "SupplyPhases", data_type: "integer", values: None },
];

/// What a variable turned out to be.
enum Found {
    Row(&'static Row),
    Shown(String),
    UnknownComponent,
    UnknownVariable,
}

/// A component and variable as asked for.
struct Wanted<'a> {
    component: &'a str,
    variable: &'a str,
    instance: Option<&'a str>,
    evse: Option<u32>,
    connector: Option<u32>,
}

impl<'a> Wanted<'a> {
    fn read(item: Fields<'a>) -> Result<Self, Fault> {
        let (component, variable) = (item.object("component")?, item.object("variable")?);
        let evse = component.maybe_object("evse")?;
        Ok(Self {
            component: component.text("name")?,
            variable: variable.text("name")?,
            instance: variable.maybe_text("instance")?,
            evse: evse.map(|evse| evse.place("id")).transpose()?,
            connector: evse.map(|evse| evse.maybe_place("connectorId")).transpose()?.flatten(),
        })
    }

    fn find(&self, station: &Station, now: Moment) -> Found {
        let shown = match (self.evse, self.connector) {
            (None, _) => OF_STATION.as_slice(),
            (Some(_), None) => OF_EVSE.as_slice(),
            (Some(_), Some(_)) => OF_CONNECTOR.as_slice(),
        };
        let place = self.evse.map(|evse| station.evse(evse));
        if place.is_some_and(|place| place.is_none())
            || self.connector.is_some_and(|connector| connector != 1)
        {
            return Found::UnknownComponent;
        }
        if let Some(shown) =
            shown.iter().find(|shown| shown.component == self.component && shown.name == self.variable)
        {
            return Found::Shown(value_of(station, now, place.flatten(), *shown));
        }
        let mut known = shown.iter().any(|shown| shown.component == self.component);
        for (variable, row) in device_model::variables().filter(|_| self.evse.is_none()) {
            if variable.component.eq_ignore_ascii_case(self.component) {
                known = true;
                let same_instance = variable.instance == self.instance;
                if variable.name.eq_ignore_ascii_case(self.variable) && same_instance {
                    return Found::Row(row);
                }
            }
        }
        if known { Found::UnknownVariable } else { Found::UnknownComponent }
    }
}

pub(super) fn get(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let mut results: Vec<Value> = Vec::new();
    for item in bounded(asked.list("getVariableData")?)? {
        let item = Fields::of(item);
        let mut result = echo(item);
        let status = if item.maybe_text("attributeType")?.is_some_and(|kind| kind != "Actual") {
            "NotSupportedAttributeType"
        } else {
            match Wanted::read(item)?.find(station, now) {
                Found::Shown(value) => {
                    result.insert("attributeValue".into(), json!(value));
                    "Accepted"
                }
                Found::Row(row) => match station.read_setting(row) {
                    Some(value) => {
                        result.insert("attributeValue".into(), json!(value));
                        "Accepted"
                    }
                    // Write-only.
                    None => "Rejected",
                },
                Found::UnknownComponent => "UnknownComponent",
                Found::UnknownVariable => "UnknownVariable",
            }
        };
        result.insert("attributeStatus".into(), json!(status));
        results.push(Value::Object(result));
    }
    Ok(json!({ "getVariableResult": results }))
}

pub(super) fn set(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let mut results: Vec<Value> = Vec::new();
    for item in bounded(asked.list("setVariableData")?)? {
        let item = Fields::of(item);
        let value = item.text("attributeValue")?;
        let mut result = echo(item);
        let status = if item.maybe_text("attributeType")?.is_some_and(|kind| kind != "Actual") {
            "NotSupportedAttributeType"
        } else {
            match Wanted::read(item)?.find(station, now) {
                Found::Row(row) => match station.write_setting(now, row, value) {
                    Written::Accepted | Written::AcceptedReconnect => "Accepted",
                    Written::Rejected => "Rejected",
                },
                Found::Shown(_) => "Rejected",
                Found::UnknownComponent => "UnknownComponent",
                Found::UnknownVariable => "UnknownVariable",
            }
        };
        result.insert("attributeStatus".into(), json!(status));
        results.push(Value::Object(result));
    }
    Ok(json!({ "setVariableResult": results }))
}

pub(super) fn base_report(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let request = asked.integer("requestId")?;
    let items = match asked.text("reportBase")? {
        "FullInventory" => inventory(station, now, |_, _| true),
        "ConfigurationInventory" => inventory(station, now, |_, access| access != Access::ReadOnly),
        "SummaryInventory" => inventory(station, now, |name, _| name == "AvailabilityState"),
        _ => return Err(out_of_range("reportBase")),
    };
    say_report(station, now, request, &items);
    Ok(json!({ "status": "Accepted" }))
}

pub(super) fn report(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let request = asked.integer("requestId")?;
    if !asked.maybe_list("componentCriteria")?.is_empty() {
        return Ok(json!({ "status": "NotSupported" }));
    }
    let mut wanted: Vec<(&str, Option<&str>)> = Vec::new();
    for item in asked.maybe_list("componentVariable")? {
        let item = Fields::of(item);
        let variable = item.maybe_object("variable")?.map(|variable| variable.text("name")).transpose()?;
        wanted.push((item.object("component")?.text("name")?, variable));
    }
    let fits = |item: &Value| {
        let name = |member: &str| item.pointer(&format!("/{member}/name")).and_then(Value::as_str);
        wanted.is_empty()
            || wanted.iter().any(|(component, variable)| {
                name("component") == Some(*component) && (variable.is_none() || name("variable") == *variable)
            })
    };
    let items: Vec<Value> =
        inventory(station, now, |_, _| true).into_iter().filter(|item| fits(item)).collect();
    if items.is_empty() {
        return Ok(json!({ "status": "EmptyResultSet" }));
    }
    say_report(station, now, request, &items);
    Ok(json!({ "status": "Accepted" }))
}

/// Sends a report in parts; every part but the last says that more follows.
fn say_report(station: &mut Station, now: Moment, request: i64, items: &[Value]) {
    let stamp = station.clock.stamp(now);
    let parts = items.len().div_ceil(REPORT_PART);
    for (seq, part) in items.chunks(REPORT_PART).enumerate() {
        let payload = json!({
            "requestId": request,
            "generatedAt": stamp,
            "seqNo": seq,
            "tbc": seq + 1 < parts,
            "reportData": part,
        });
        station.say(Outgoing::new("NotifyReport", payload, Purpose::Notice).even_before_accepted());
    }
}

fn inventory(station: &mut Station, now: Moment, wanted: impl Fn(&str, Access) -> bool) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    for (variable, row) in
        device_model::variables().filter(|(variable, row)| wanted(variable.name, row.access))
    {
        let value = station.read_setting(row);
        items.push(row_item(variable, row, value));
    }
    let shown = OF_STATION.iter().map(|shown| (None, *shown));
    let per_evse = station
        .evses
        .iter()
        .flat_map(|evse| OF_EVSE.iter().chain(&OF_CONNECTOR).map(move |shown| (Some(evse), *shown)));
    for (evse, shown) in shown.chain(per_evse).filter(|(_, shown)| wanted(shown.name, Access::ReadOnly)) {
        items.push(shown_item(station, now, evse, shown));
    }
    items
}

fn row_item(variable: Variable, row: &Row, value: Option<String>) -> Value {
    let mut name = json!({ "name": variable.name });
    if let (Some(instance), Some(members)) = (variable.instance, name.as_object_mut()) {
        members.insert("instance".into(), json!(instance));
    }
    let (mutability, mut attribute) = match row.access {
        Access::ReadOnly => ("ReadOnly", Map::new()),
        Access::ReadWrite => ("ReadWrite", Map::new()),
        Access::WriteOnly => ("WriteOnly", Map::new()),
    };
    attribute.insert("type".into(), json!("Actual"));
    attribute.insert("mutability".into(), json!(mutability));
    if let Some(value) = value {
        attribute.insert("value".into(), json!(value));
    }
    let (data_type, values) = match row.shape {
        Shape::Integer => ("integer", None),
        Shape::Boolean => ("boolean", None),
        Shape::Text => ("string", None),
        Shape::MemberList(values) => ("MemberList", Some(values)),
        Shape::SequenceList(values) => ("SequenceList", Some(values)),
    };
    json!({
        "component": { "name": variable.component },
        "variable": name,
        "variableAttribute": [attribute],
        "variableCharacteristics": characteristics(data_type, values, row.unit),
    })
}

fn shown_item(station: &Station, now: Moment, evse: Option<&Evse>, shown: Shown) -> Value {
    let mut component = json!({ "name": shown.component });
    if let (Some(evse), Some(members)) = (evse, component.as_object_mut()) {
        let place = if shown.component == "Connector" {
            json!({ "id": evse.id, "connectorId": 1 })
        } else {
            json!({ "id": evse.id })
        };
        members.insert("evse".into(), place);
    }
    let value = value_of(station, now, evse, shown);
    let unit = (shown.name == "Power").then_some("W");
    let mut told = characteristics(shown.data_type, shown.values, unit);
    if let (Some(_), Some(members)) = (unit, told.as_object_mut()) {
        members.insert("maxLimit".into(), json!(station.make.power.0));
    }
    json!({
        "component": component,
        "variable": { "name": shown.name },
        "variableAttribute": [{ "type": "Actual", "mutability": "ReadOnly", "value": value }],
        "variableCharacteristics": told,
    })
}

fn characteristics(data_type: &str, values: Option<&str>, unit: Option<&str>) -> Value {
    let mut told = Map::new();
    told.insert("dataType".into(), json!(data_type));
    told.insert("supportsMonitoring".into(), json!(false));
    if let Some(values) = values {
        told.insert("valuesList".into(), json!(values));
    }
    if let Some(unit) = unit {
        told.insert("unit".into(), json!(unit));
    }
    Value::Object(told)
}

fn value_of(station: &Station, now: Moment, evse: Option<&Evse>, shown: Shown) -> String {
    let status = match evse {
        Some(evse) => connector_status(evse.status()),
        None => connector_status(station.whole_status()),
    };
    match shown.name {
        "AvailabilityState" => status.to_owned(),
        "Available" => "true".to_owned(),
        "DateTime" => station.clock.stamp(now),
        "AllowReset" => "false".to_owned(),
        "SupplyPhases" => "3".to_owned(),
        "Power" => evse.map_or(0, |evse| evse.power.0).to_string(),
        _ => match station.make.current {
            crate::vehicle::Current::Ac => "sType2".to_owned(),
            crate::vehicle::Current::Dc => "cCCS2".to_owned(),
        },
    }
}

/// The part of a result that repeats the question.
fn echo(item: Fields<'_>) -> Map<String, Value> {
    let mut result = Map::new();
    for member in ["attributeType", "component", "variable"] {
        if let Some(value) = item.raw(member) {
            result.insert(member.to_owned(), value.clone());
        }
    }
    result
}

fn bounded(items: &[Value]) -> Result<&[Value], Fault> {
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(Fault::new(FaultCode::Occurrence, "number of items outside of 1 to ItemsPerMessage"));
    }
    Ok(items)
}
