//! Objects against their schemas, which are read from a folder: `<version>/<object>.json`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jsonschema::Validator;
use serde_json::Value;

/// Judges objects of one version; without schemas it finds nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Judge {
    schemas: Arc<HashMap<&'static str, Validator>>,
}

/// What is judged.
const OBJECTS: [&str; 9] =
    ["cdr", "connector", "credentials", "evse", "location", "session", "tariff", "token", "version-details"];

impl Judge {
    /// Reads the schemas of a version.
    ///
    /// # Errors
    /// A file is missing, or no schema.
    pub(super) fn read(folder: &Path, version: &str) -> anyhow::Result<Self> {
        let mut schemas = HashMap::new();
        for object in OBJECTS {
            let path = folder.join(version).join(format!("{object}.json"));
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let schema =
                serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
            let validator = jsonschema::validator_for(&schema).map_err(|error| anyhow::anyhow!("{error}"));
            schemas.insert(object, validator.with_context(|| format!("{} is no schema", path.display()))?);
        }
        Ok(Self { schemas: Arc::new(schemas) })
    }

    /// All that is wrong with an object.
    pub(super) fn faults(&self, object: &str, value: &Value) -> Vec<String> {
        let Some(schema) = self.schemas.get(object) else { return Vec::new() };
        schema.iter_errors(value).map(|error| format!("{object}{}: {error}", error.instance_path())).collect()
    }
}
