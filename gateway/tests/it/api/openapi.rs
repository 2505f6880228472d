//! The API's description is a valid document and says all of what the API has, and no more.

use std::collections::BTreeSet;

use ringmain_gateway::api::routes::{Access, ROUTES};
use serde_json::Value;

use super::client::Stream;
use super::rig::Rig;

async fn document() -> Value {
    let rig = Rig::start().await;
    let reply = Stream::open(rig.address, "GET", "/api/v1/openapi.json", &[], None).await.finish().await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    reply.json()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    all
}

#[actix_web::test]
async fn the_description_and_the_table_of_routes_agree() {
    let document = document().await;
    let described: BTreeSet<_> =
        operations(&document).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let routed: BTreeSet<_> =
        ROUTES.iter().map(|route| format!("{} /api/v1{}", route.method.as_str(), route.path)).collect();
    assert_eq!(described, routed);
}

#[actix_web::test]
async fn every_operation_is_whole() {
    let document = document().await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let route = ROUTES
            .iter()
            .find(|route| route.method.as_str() == method && format!("/api/v1{}", route.path) == path);
        assert!(
            operation["summary"]
                .as_str()
                .or(operation["description"].as_str())
                .is_some_and(|text| !text.is_empty()),
            "{place}"
        );
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
            "{place}: the id is used twice"
        );
        for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let named = |known: &&Value| {
                known["name"] == parameter && known["in"] == "path" && known["required"] == true
            };
            assert!(
                operation["parameters"].as_array().unwrap().iter().find(named).is_some(),
                "{place}: {parameter}"
            );
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
        if route.unwrap().access != Access::Open {
            assert!(operation["security"].is_array(), "{place}");
            for status in ["401", "403", "429"] {
                let schema = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{place} {status}");
            }
        }
    }
}

#[actix_web::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if let ("$ref", Value::String(target)) = (name.as_str(), field) {
                        found.push(target);
                    }
                    references(field, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
}
